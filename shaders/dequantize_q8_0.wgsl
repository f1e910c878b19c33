// Q8_0 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q8_0.wgsl
//#include shared/dequantize.wgsl
