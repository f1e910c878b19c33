// Q6_K to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q6_k.wgsl
//#include shared/dequantize.wgsl
