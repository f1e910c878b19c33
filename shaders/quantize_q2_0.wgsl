// Q2_0: 32 weights an invocation; two of them a block of 18 bytes, so a workgroup writes its blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/scaled_group.wgsl
//#include shared/stream.wgsl

const GROUP: u32 = 2u;
const HALVES: u32 = 9u;
const BLOCKS: u32 = 32u;

const STEPS: u32 = 10u;
var<private> steps: array<f32, 10> = array<f32, 10>(1.0, 1.3, 1.7, 2.0, 2.5, 2.9, 3.4, 4.0, -1.7, -2.5);

fn nearest(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(-1.0), vec4f(2.0)));
}

// The codes of weights 16i..16i + 16.
fn word(i: u32, inverse_scale: f32) -> u32 {
    var bits = 0u;
    for (var j = 0u; j < 4u; j++) {
        let four = pack4(nearest(exact4(x[4u * i + j] * inverse_scale)) + 1.0);
        bits |= ((four | (four >> 6u) | (four >> 12u) | (four >> 18u)) & 0xffu) << (8u * j);
    }
    return bits;
}

// Of each invocation: the codes of its 32 weights.
var<workgroup> codes: array<vec2u, WORKGROUP>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let part = number(id, groups);
    // All invocations take part in the barriers; those past the end do the last part once more.
    load(min(part, params.blocks * 2u - 1u));
    let unit = inverse(block_extreme(lane).x);
    var inverses: array<f32, STEPS>;
    for (var i = 0u; i < STEPS; i++) {
        inverses[i] = exact(steps[i] * unit);
    }
    let d = block_scale(lane, &inverses);
    let inverse_scale = inverse(f16_decode(d));
    codes[lane] = vec2u(word(0u, inverse_scale), word(1u, inverse_scale));
    workgroupBarrier();
    if (lane & 1u) == 0u {
        let all = vec4u(codes[lane], codes[lane + 1u]);
        let at = lane / 2u * SPACE;
        words[at] = d | (all.x << 16u);
        words[at + 1u] = (all.x >> 16u) | (all.y << 16u);
        words[at + 2u] = (all.y >> 16u) | (all.z << 16u);
        words[at + 3u] = (all.z >> 16u) | (all.w << 16u);
        words[at + 4u] = all.w >> 16u;
    }
    write_blocks(lane, (part - lane) / 2u);
}
