// Q2_K to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q2_k.wgsl
//#include shared/dequantize.wgsl
