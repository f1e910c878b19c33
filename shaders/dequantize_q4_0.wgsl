// Q4_0 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q4_0.wgsl
//#include shared/dequantize.wgsl
