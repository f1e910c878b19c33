// Half precision in integer arithmetic: built-in conversions may flush subnormals or round as they like.

// Nearest half, ties to even; overflow to infinity, NaN stays a quiet NaN.
fn f16_encode(bits: u32) -> u32 {
    let magnitude = bits & 0x7fffffffu;
    let rounded = magnitude + 0x0fffu + ((magnitude >> 13u) & 1u);
    let normal = (rounded - (112u << 23u)) >> 13u;
    // Below 2^-14 the unit is 2^-24, that of floats in 0.5..1: adding 0.5 rounds to it.
    let subnormal = bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - bitcast<u32>(0.5f);
    let finite = select(normal, subnormal, magnitude < (113u << 23u));
    let bounded = select(finite, 0x7c00u, rounded >= (143u << 23u));
    let half = select(bounded, 0x7e00u | ((magnitude >> 13u) & 0x3ffu), magnitude > 0x7f800000u);
    return half | ((bits >> 16u) & 0x8000u);
}

// The same for scales: what would overflow becomes the largest half, 65504, and 0 has no sign.
fn f16_encode_scale(value: f32) -> u32 {
    let half = f16_encode(bitcast<u32>(clamp(value, -65504.0, 65504.0)));
    return select(half, 0u, half == 0x8000u);
}

// The bits of the float that a half (the low 16 bits) stands for.
fn f16_decode_bits(half: u32) -> u32 {
    let magnitude = half & 0x7fffu;
    let normal = (magnitude << 13u) + (112u << 23u);
    let subnormal = bitcast<u32>(f32(i32(magnitude)) * (1.0 / 16777216.0));
    let finite = select(normal, subnormal, magnitude < 0x400u);
    let value = select(finite, normal + (112u << 23u), magnitude >= 0x7c00u);
    return value | ((half & 0x8000u) << 16u);
}

fn f16_decode(half: u32) -> f32 {
    return bitcast<f32>(f16_decode_bits(half));
}
