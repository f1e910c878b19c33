// IQ4_XS: a sub-block of 32 weights an invocation; eight of them a super-block, 34 words.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/iq4.wgsl
//#include shared/scaled_super.wgsl

const SUBS: u32 = 8u;
const TOP: f32 = 32.0;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let sub_block = number(id, groups);
    let block = sub_block / 8u;
    // All invocations take part in the barriers; those past the end do the last sub-block once more.
    let found = search(lane, min(sub_block, params.blocks * 8u - 1u));
    fits[lane] = found.scale + 32.0;
    workgroupBarrier();
    if block >= params.blocks {
        return;
    }
    let at = block * 34u;
    let s = lane & 7u;
    if s == 0u {
        var low = 0u;
        var high = 0u;
        for (var i = 0u; i < 8u; i++) {
            let scale = u32(fits[lane + i]);
            low |= (scale & 15u) << (4u * i);
            high |= (scale >> 4u) << (2u * i);
        }
        output[at] = found.d | (high << 16u);
        output[at + 1u] = low;
    }
    for (var w = 0u; w < 4u; w++) {
        let low = pack4(code(exact4(x[w] * found.inverse_scale)));
        let high = pack4(code(exact4(x[w + 4u] * found.inverse_scale)));
        output[at + 2u + s * 4u + w] = low | (high << 4u);
    }
}
