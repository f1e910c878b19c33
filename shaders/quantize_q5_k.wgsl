// Q5_K: a sub-block of 32 weights an invocation; eight of them a super-block, 44 words.
//#include shared/convert.wgsl
//#include shared/pack.wgsl
//#include shared/k_super.wgsl

const TOP: f32 = 31.0;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let sub_block = number(id, groups);
    let block = sub_block / 8u;
    // All invocations take part in the barriers; those past the end do the last sub-block once more.
    let bits = search(lane, min(sub_block, params.blocks * 8u - 1u));
    if block >= params.blocks {
        return;
    }
    let at = block * 44u;
    let s = lane & 7u;
    if s < 4u {
        output[at + s] = head_word(lane, bits);
    }
    // The fifth bits: bit s of a byte is sub-block s's.
    var high = 0u;
    for (var j = 0u; j < 8u; j++) {
        high |= ((codes[(lane & ~7u) + j][s] >> 4u) & 0x01010101u) << j;
    }
    output[at + 4u + s] = high;
    write_low_bits(lane, at + 12u);
}
