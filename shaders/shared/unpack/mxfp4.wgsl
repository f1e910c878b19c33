// MXFP4: a block.
//#include shared/blocks.wgsl
//#include shared/fp4_levels.wgsl
const PARTS: u32 = 1u;

// Half of 2^(e - 127) times a level, for the levels are doubled. Where that is subnormal it is made of bits: the
// arithmetic of some GPUs takes such numbers for 0.
fn scaled(e: u32, level: f32) -> f32 {
    if e >= 4u {
        return bitcast<f32>((e - 1u) << 23u) * level;
    }
    let bits = bitcast<u32>(level);
    let exponent = ((bits >> 23u) & 255u) + e;
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let size = select(mantissa >> (129u - min(exponent, 128u)), (bits & 0x7fffffu) | ((exponent - 128u) << 23u), exponent > 128u);
    return bitcast<f32>((bits & 0x80000000u) | select(size, 0u, level == 0.0));
}

fn unpack(part: u32) {
    let bytes = part * 17u;
    let e = byte_at(bytes);
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = bytes_at(bytes + 1u + 4u * w);
        let low = level_weights(codes);
        let high = level_weights(codes >> 4u);
        put(w, vec4f(scaled(e, low.x), scaled(e, low.y), scaled(e, low.z), scaled(e, low.w)));
        put(w + 4u, vec4f(scaled(e, high.x), scaled(e, high.y), scaled(e, high.z), scaled(e, high.w)));
    }
}
