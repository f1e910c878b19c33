// Blocks of any even number of bytes, put together by a workgroup and written in a row.
// The including shader declares HALVES, the 16-bit halves of a block, and BLOCKS, the blocks of a workgroup (even).

// Words of a block, the last perhaps half used.
const SPACE: u32 = (HALVES + 1u) / 2u;

var<workgroup> words: array<u32, BLOCKS * SPACE>;

// Half `i` of the workgroup's blocks in a row.
fn stream_half(i: u32) -> u32 {
    let half = i % HALVES;
    return (words[i / HALVES * SPACE + half / 2u] >> ((half & 1u) * 16u)) & 0xffffu;
}

// Writes the workgroup's blocks, of which `block` is the first. Only the tensor's last half is without a partner.
fn write_blocks(lane: u32, block: u32) {
    workgroupBarrier();
    if block >= params.blocks {
        return;
    }
    let halves = min(params.blocks - block, BLOCKS) * HALVES;
    for (var i = 2u * lane; i < halves; i += 2u * WORKGROUP) {
        let upper = select(0u, stream_half(i + 1u), i + 1u < halves);
        output[(block * HALVES + i) / 2u] = stream_half(i) | (upper << 16u);
    }
}
