// IQ4_XS to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq4_xs.wgsl
//#include shared/dequantize.wgsl
