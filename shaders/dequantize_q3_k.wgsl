// Q3_K to F32.
//#include shared/convert.wgsl
//#include shared/unpack/q3_k.wgsl
//#include shared/dequantize.wgsl
