// NVFP4 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/nvfp4.wgsl
//#include shared/dequantize.wgsl
