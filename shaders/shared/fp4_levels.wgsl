// The levels of MXFP4 and NVFP4; see `Fp4` in src/quant/levels.rs.
var<private> LEVELS: array<f32, 16> = array<f32, 16>(
    0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0,
);
