// Q2_K: a sub-block of 16 weights an invocation; sixteen of them a super-block, 21 words.
//#include shared/convert.wgsl
//#include shared/weights16.wgsl
//#include shared/pack.wgsl
//#include shared/affine_super.wgsl

const TOP: f32 = 3.0;
const SUBS: u32 = 16u;
const SUPER_TOP: f32 = 15.0;

const STEPS: u32 = 15u;
const FIRST: f32 = 2.0;
const STRETCH: f32 = 0.12;
const SHIFTS: u32 = 3u;
const SHIFT: f32 = 0.25;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let sub_block = number(id, groups);
    let block = sub_block / 16u;
    // All invocations take part in the barriers; those past the end do the last sub-block once more.
    let bits = search(lane, min(sub_block, params.blocks * 16u - 1u));
    if block >= params.blocks {
        return;
    }
    let at = block * 21u;
    let first = lane & ~15u;
    let s = lane - first;
    if s < 4u {
        var scales = 0u;
        for (var i = 0u; i < 4u; i++) {
            let sub = vec2u(fits[first + 4u * s + i]);
            scales |= (sub.x | (sub.y << 4u)) << (8u * i);
        }
        output[at + s] = scales;
    }
    // Of each half's 32 words of four codes, those 8 apart share a word.
    var word = 0u;
    for (var j = 0u; j < 4u; j++) {
        let i = s % 8u + 8u * j;
        word |= codes[first + s / 8u * 8u + i / 4u][i % 4u] << (2u * j);
    }
    output[at + 4u + s] = word;
    if s == 0u {
        output[at + 20u] = bits.x | (bits.y << 16u);
    }
}
