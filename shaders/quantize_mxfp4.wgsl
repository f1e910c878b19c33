// MXFP4: a block an invocation; four are 17 words, so a workgroup writes its blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/fp4.wgsl
//#include shared/extreme.wgsl

// Of each block: its exponent and its codes.
var<workgroup> exponents: array<u32, WORKGROUP>;
var<workgroup> codes: array<array<u32, 4>, WORKGROUP>;

// Half the value of an E8M0 byte above 1, for the levels are doubled.
fn half_power(e: u32) -> f32 {
    return bitcast<f32>((e - 1u) << 23u);
}

// The exponent of least error, of three.
fn search() -> u32 {
    // Zeros have the exponent of the smallest weight that is not, 2^-36.
    let first = max(bitcast<u32>(abs(extreme())) >> 23u, 91u) - 3u;
    var best = 0u;
    var least = 0x1.fffffep+127f;
    for (var step = 0u; step < 3u; step++) {
        let error = error_at(half_power(first + step));
        if least > error {
            best = first + step;
            least = error;
        }
    }
    return best;
}

// Byte `i` of the workgroup's blocks in a row.
fn stream_byte(i: u32) -> u32 {
    let block = i / 17u;
    let byte = i % 17u;
    if byte == 0u {
        return exponents[block];
    }
    return (codes[block][(byte - 1u) / 4u] >> ((byte - 1u) % 4u * 8u)) & 0xffu;
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let block = number(id, groups);
    load(min(block, params.blocks - 1u));
    let e = search();
    let inverse_scale = inverse(half_power(e));
    exponents[lane] = e;
    for (var w = 0u; w < 4u; w++) {
        codes[lane][w] = pack4(code(exact4(x[w] * inverse_scale))) | (pack4(code(exact4(x[w + 4u] * inverse_scale))) << 4u);
    }
    workgroupBarrier();
    if block - lane >= params.blocks {
        return;
    }
    let bytes = min(params.blocks - (block - lane), WORKGROUP) * 17u;
    for (var i = 4u * lane; i < bytes; i += 4u * WORKGROUP) {
        var word = 0u;
        for (var j = 0u; j < min(bytes - i, 4u); j++) {
            word |= stream_byte(i + j) << (8u * j);
        }
        output[((block - lane) * 17u + i) / 4u] = word;
    }
}
