// IQ2_S to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq2_s.wgsl
//#include shared/dequantize.wgsl
