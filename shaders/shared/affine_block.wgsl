// Blocks of 32 weights with a scale and a minimum of their own. The including shader declares TOP.
// Step for step `affine_blocks` in src/quant/search.rs.
//#include shared/weights32.wgsl
//#include shared/affine_grid.wgsl
//#include shared/affine.wgsl

const QUADS: u32 = 8u;
const KEEP_ZERO: bool = false;

// Writes the word of scale and minimum, and returns the fit as it will be read: 1 / scale, minimum.
fn put_fit(block: u32) -> vec2f {
    load(block);
    let fit = affine();
    let scale = f16_encode_scale(least_squares(fit.sums, fit.x).x);
    let stored = f16_decode(scale);
    let minimum = f16_encode_scale((fit.x - stored * fit.sums.l) * (1.0 / 32.0));
    put(scale | (minimum << 16u));
    return vec2f(inverse(stored), f16_decode(minimum));
}
