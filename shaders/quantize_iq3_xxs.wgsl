// IQ3_XXS: a sub-block of 32 weights an invocation; 8 of them a super-block of 98 bytes, so a workgroup writes its
// super-blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/iq3_xxs.wgsl
//#include shared/lattice.wgsl
//#include shared/signs.wgsl
//#include shared/stream.wgsl

const SUBS: u32 = 8u;
const HALVES: u32 = 49u;
const BLOCKS: u32 = 8u;
const POINTS: u32 = 256u;
const CHOICE: u32 = 32u;
const SIGNS: u32 = 2u;
const UNIT: f32 = 0.25;

// Byte `b` of the super-block whose sub-blocks begin at lane `first`, in the low bits.
fn byte_of_block(first: u32, b: u32, d: u32) -> u32 {
    if b < 2u {
        return d >> (8u * b);
    }
    if b >= 66u {
        return signs_and_scale(first + (b - 66u) / 4u) >> (8u * ((b - 66u) & 3u));
    }
    return points[first + (b - 2u) / 8u][(b - 2u) % 8u];
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let sub_block = number(id, groups);
    // All invocations take part in the barriers; those past the end do the last sub-block once more.
    let d = search(lane, min(sub_block, params.blocks * SUBS - 1u));
    let first = lane & ~(SUBS - 1u);
    let at = lane / SUBS * SPACE;
    for (var i = lane - first; i < SPACE; i += SUBS) {
        var word = 0u;
        for (var j = 0u; j < 4u; j++) {
            word |= (byte_of_block(first, min(4u * i + j, 2u * HALVES - 1u), d) & 0xffu) << (8u * j);
        }
        words[at + i] = word;
    }
    write_blocks(lane, (sub_block - lane) / SUBS);
}
