// MXFP4 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/mxfp4.wgsl
//#include shared/dequantize.wgsl
