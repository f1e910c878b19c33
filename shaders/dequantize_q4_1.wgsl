// Q4_1 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q4_1.wgsl
//#include shared/dequantize.wgsl
