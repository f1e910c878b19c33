// IQ1_M to F32.
//#include shared/convert.wgsl
//#include shared/unpack/iq1_m.wgsl
//#include shared/dequantize.wgsl
