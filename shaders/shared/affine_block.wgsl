// Blocks of 32 weights with a scale and a minimum of their own. The including shader declares TOP.
// Step for step `affine_blocks` in src/quant/affine.rs.
//#include shared/weights32.wgsl
//#include shared/affine_grid.wgsl
//#include shared/affine.wgsl

const KEEP_ZERO: bool = false;

// Writes the word of scale and minimum, and returns the fit as it will be read: 1 / scale, minimum.
fn put_fit(block: u32) -> vec2f {
    load(block);
    let sums = affine();
    let scale = f16_encode_scale(least_squares(sums).x);
    let stored = f16_decode(scale);
    let minimum = f16_encode_scale((sums.x - exact(stored * sums.l)) * inverse(sums.n));
    put(scale | (minimum << 16u));
    return vec2f(inverse(stored), f16_decode(minimum));
}
