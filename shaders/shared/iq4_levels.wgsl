// The levels of IQ4_NL and IQ4_XS (`Iq4` in src/quant/levels.rs), a byte each:
// -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113.
const LEVELS: vec4u = vec4u(0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u);
//#include shared/level_weights.wgsl
