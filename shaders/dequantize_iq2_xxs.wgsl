// IQ2_XXS to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq2_xxs.wgsl
//#include shared/dequantize.wgsl
