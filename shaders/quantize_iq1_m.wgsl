// IQ1_M: a sub-block of 16 weights an invocation; 16 of them a super-block of 56 bytes, so a workgroup writes its
// super-blocks together.
//#include shared/convert.wgsl
//#include shared/weights16.wgsl
//#include shared/iq1.wgsl
//#include shared/lattice.wgsl
//#include shared/stream.wgsl

const SUBS: u32 = 16u;
const HALVES: u32 = 28u;
const BLOCKS: u32 = 4u;
const CHOICE: u32 = 8u;

// Byte `b` of the super-block whose sub-blocks begin at lane `first`, in the low bits.
fn byte_of_block(first: u32, b: u32, d: u32) -> u32 {
    if b < 32u {
        return points[first + b / 2u][b % 2u];
    }
    if b < 48u {
        var nibbles = 0u;
        for (var j = 0u; j < 2u; j++) {
            let point = points[first + b - 32u][j];
            nibbles |= (((point >> 8u) & 7u) | ((point >> 16u) << 3u)) << (4u * j);
        }
        return nibbles;
    }
    let i = (b - 48u) / 2u;
    var bits = ((d >> (4u * i)) & 15u) << 12u;
    for (var j = 0u; j < 4u; j++) {
        bits |= u32(scales[first + 4u * i + j]) << (3u * j);
    }
    return bits >> (8u * (b & 1u));
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
