// Q5_K to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q5_k.wgsl
//#include shared/dequantize.wgsl
