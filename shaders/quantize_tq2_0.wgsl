// TQ2_0: 32 weights an invocation; eight of them a block of 66 bytes, so a workgroup writes its blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/ternary.wgsl
//#include shared/stream.wgsl

const HALVES: u32 = 33u;

// Word `i` of the codes of the block whose invocations begin at lane `first`.
fn word(first: u32, i: u32) -> u32 {
    let at = 8u * first + i / 8u * 32u + i % 8u;
    return codes[at] | (codes[at + 8u] << 2u) | (codes[at + 16u] << 4u) | (codes[at + 24u] << 6u);
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let part = number(id, groups);
    // All invocations take part in the barriers; those past the end do the last part once more.
    let d = search(lane, min(part, params.blocks * 8u - 1u));
    let first = lane & ~7u;
    let at = lane / 8u * SPACE;
    for (var i = lane & 7u; i < 16u; i += 8u) {
        words[at + i] = word(first, i);
    }
    if lane == first {
        words[at + 16u] = d;
    }
    write_blocks(lane, (part - lane) / 8u);
}
