// Q1_0: 32 weights an invocation; four of them a block of 18 bytes, so a workgroup writes its blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/stream.wgsl

const HALVES: u32 = 9u;
const BLOCKS: u32 = 16u;

// Of each invocation: its sums of magnitudes and of factors, and a bit a weight.
var<workgroup> sums: array<vec2f, WORKGROUP>;
var<workgroup> signs: array<u32, WORKGROUP>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let part = number(id, groups);
    // All invocations take part in the barriers; those past the end do the last part once more.
    load(min(part, params.blocks * 4u - 1u));
    var sum = 0.0;
    var bits = 0u;
    for (var w = 0u; w < 8u; w++) {
        let magnitudes = weigh(w, abs(x[w]));
        for (var i = 0u; i < 4u; i++) {
            sum += magnitudes[i];
            bits |= select(0u, 1u, x[w][i] >= 0.0) << (4u * w + i);
        }
    }
    sums[lane] = vec2f(sum, factor_sum());
    signs[lane] = bits;
    workgroupBarrier();
    if (lane & 3u) == 0u {
        var total = vec2f(0.0);
        for (var i = 0u; i < 4u; i++) {
            total += sums[lane + i];
        }
        let d = f16_encode_scale(total.x * inverse(total.y));
        let at = lane / 4u * SPACE;
        var half = d;
        for (var i = 0u; i < 4u; i++) {
            let word = select(signs[lane + i], 0u, d == 0u);
            words[at + i] = half | (word << 16u);
            half = word >> 16u;
        }
        words[at + 4u] = half;
    }
    write_blocks(lane, (part - lane) / 4u);
}
