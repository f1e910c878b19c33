// Q1_0 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q1_0.wgsl
//#include shared/dequantize.wgsl
