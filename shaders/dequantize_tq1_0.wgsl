// TQ1_0 to F32.
//#include shared/convert.wgsl
//#include shared/unpack/tq1_0.wgsl
//#include shared/dequantize.wgsl
