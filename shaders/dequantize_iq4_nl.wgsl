// IQ4_NL to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq4_nl.wgsl
//#include shared/dequantize.wgsl
