// NVFP4: a sub-block of 16 weights an invocation; four of them a block of nine words.
//#include shared/convert.wgsl
//#include shared/weights16.wgsl
//#include shared/pack.wgsl
//#include shared/fp4.wgsl
//#include shared/extreme.wgsl
//#include shared/ue4m3.wgsl

const LARGEST: u32 = 0x7eu;
const TRIES: u32 = 8u;
const BELOW: u32 = 1u;

// Of each sub-block: its scale's byte.
var<workgroup> scales: array<u32, WORKGROUP>;

// The byte whose value is nearest from below.
fn byte_below(v: f32) -> u32 {
    let bits = bitcast<u32>(v) >> 20u;
    let normal = min(max(bits, 960u) - 960u, LARGEST);
    return select(normal, min(u32(v * 512.0), 7u), normal < 8u);
}

// The scale of least error.
fn search() -> u32 {
    let first = max(byte_below(quotient(abs(extreme()), 6.0)), BELOW) - BELOW;
    var best = 0u;
    var least = 0x1.fffffep+127f;
    for (var step = 0u; step < TRIES; step++) {
        let byte = min(first + step, LARGEST);
        let error = error_at(half_scale(byte));
        if least > error {
            best = byte;
            least = error;
        }
    }
    return best;
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let sub_block = number(id, groups);
    load(min(sub_block, params.blocks * 4u - 1u));
    let byte = search();
    scales[lane] = byte;
    workgroupBarrier();
    if sub_block >= params.blocks * 4u {
        return;
    }
    let s = lane & 3u;
    let at = sub_block / 4u * 9u;
    if s == 0u {
        output[at] = scales[lane] | (scales[lane + 1u] << 8u) | (scales[lane + 2u] << 16u) | (scales[lane + 3u] << 24u);
    }
    let inverse_scale = inverse(half_scale(byte));
    for (var w = 0u; w < 2u; w++) {
        let low = pack4(code(exact4(x[w] * inverse_scale)));
        output[at + 1u + 2u * s + w] = low | (pack4(code(exact4(x[w + 2u] * inverse_scale))) << 4u);
    }
}
