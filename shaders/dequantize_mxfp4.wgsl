// MXFP4 to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/fp4_levels.wgsl

// Half of 2^(e - 127) times a level, for the levels are doubled. Where that is subnormal it is made of bits: the
// arithmetic of some GPUs takes such numbers for 0.
fn put(weight: u32, e: u32, level: f32) {
    if e >= 4u {
        write(weight, bitcast<f32>((e - 1u) << 23u) * level);
        return;
    }
    let bits = bitcast<u32>(level);
    let exponent = ((bits >> 23u) & 255u) + e;
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let size = select(mantissa >> (129u - min(exponent, 128u)), (bits & 0x7fffffu) | ((exponent - 128u) << 23u), exponent > 128u);
    output[weight] = (bits & 0x80000000u) | select(size, 0u, level == 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let bytes = block * 17u;
    let e = byte_at(bytes);
    for (var i = 0u; i < 16u; i++) {
        let byte = byte_at(bytes + 1u + i);
        put(block * 32u + i, e, LEVELS[byte & 15u]);
        put(block * 32u + i + 16u, e, LEVELS[byte >> 4u]);
    }
}
