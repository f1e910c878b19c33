// The six-bit scales and minimums of Q4_K and Q5_K; see src/quant/k_scales.rs.

fn scale_byte(at: u32, i: u32) -> u32 {
    return byte_of(input[at + 1u + i / 4u], i % 4u);
}

// The scale and the minimum of sub-block `s` of the super-block at word `at`.
fn k_scale(at: u32, s: u32) -> vec2f {
    var scale = scale_byte(at, s) & 63u;
    var minimum = scale_byte(at, s + 4u) & 63u;
    if s >= 4u {
        let both = scale_byte(at, s + 4u);
        scale = (both & 15u) | ((scale_byte(at, s - 4u) >> 6u) << 4u);
        minimum = (both >> 4u) | ((scale_byte(at, s) >> 6u) << 4u);
    }
    let head = input[at];
    return vec2f(f16_decode(head & 0xffffu) * f32(scale), f16_decode(head >> 16u) * f32(minimum));
}
