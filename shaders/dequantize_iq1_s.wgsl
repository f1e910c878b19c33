// IQ1_S to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq1_s.wgsl
//#include shared/dequantize.wgsl
