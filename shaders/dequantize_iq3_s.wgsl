// IQ3_S to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq3_s.wgsl
//#include shared/dequantize.wgsl
