// Q4_K to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q4_k.wgsl
//#include shared/dequantize.wgsl
