// IQ2_XS to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq2_xs.wgsl
//#include shared/dequantize.wgsl
