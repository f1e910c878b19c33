// The levels of MXFP4 and NVFP4, doubled (`Fp4` in src/quant/levels.rs), a byte each:
// 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12.
const LEVELS: vec4u = vec4u(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);
//#include shared/level_weights.wgsl
