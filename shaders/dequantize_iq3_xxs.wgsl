// IQ3_XXS to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq3_xxs.wgsl
//#include shared/dequantize.wgsl
