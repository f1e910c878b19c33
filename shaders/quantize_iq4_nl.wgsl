// IQ4_NL: a block an invocation; two are nine words, so a workgroup writes its blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/iq4.wgsl
//#include shared/scaled.wgsl
//#include shared/stream.wgsl

const HALVES: u32 = 9u;
const BLOCKS: u32 = WORKGROUP;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let block = number(id, groups);
    // All invocations take part in the barrier; those past the end do the last block once more.
    load(min(block, params.blocks - 1u));
    let d = f16_encode_scale(scale_of(best_fit(inverse(extreme()))));
    let inverse_scale = inverse(f16_decode(d));
    let at = lane * SPACE;
    var half = d;
    for (var w = 0u; w < 4u; w++) {
        let codes = pack4(code(exact4(x[w] * inverse_scale))) | (pack4(code(exact4(x[w + 4u] * inverse_scale))) << 4u);
        words[at + w] = half | (codes << 16u);
        half = codes >> 16u;
    }
    words[at + 4u] = half;
    write_blocks(lane, block - lane);
}
