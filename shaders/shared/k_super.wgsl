// Q4_K and Q5_K: super-blocks of eight sub-blocks of 32 weights. The including shader declares TOP.
//#include shared/weights32.wgsl
//#include shared/affine_grid.wgsl
//#include shared/affine_super.wgsl

const SUBS: u32 = 8u;
const SUPER_TOP: f32 = 63.0;

// Word `w` (0..3) of the twelve bytes of scales and minimums; see src/quant/k_scales.rs.
fn scale_word(lane: u32, w: u32) -> u32 {
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
        let first = vec2u(fits[(lane & ~7u) + i]);
        let last = vec2u(fits[(lane & ~7u) + i + 4u]);
        let scale = first.x | ((last.x >> 4u) << 6u);
        let minimum = first.y | ((last.y >> 4u) << 6u);
        let both = (last.x & 15u) | ((last.y & 15u) << 4u);
        word |= select(select(both, minimum, w == 1u), scale, w == 0u) << (8u * i);
    }
    return word;
}

// The four words before the codes, one each by the first four invocations of a super-block.
fn head_word(lane: u32, bits: vec2u) -> u32 {
    let s = lane & 7u;
    return select(scale_word(lane, s - 1u), bits.x | (bits.y << 16u), s == 0u);
}

// The low four bits: two sub-blocks share 32 bytes, the first the low nibbles, the second the high ones. Each of the
// two invocations writes half of them.
fn write_low_bits(lane: u32, at: u32) {
    let s = lane & 7u;
    let even = lane & ~1u;
    for (var i = 0u; i < 4u; i++) {
        let w = (s & 1u) * 4u + i;
        let low = codes[even][w] & 0x0f0f0f0fu;
        let high = codes[even + 1u][w] & 0x0f0f0f0fu;
        output[at + s / 2u * 8u + w] = low | (high << 4u);
    }
}
