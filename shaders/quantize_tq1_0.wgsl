// TQ1_0: 32 weights an invocation; eight of them a block of 54 bytes, so a workgroup writes its blocks together.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/ternary.wgsl
//#include shared/stream.wgsl

const HALVES: u32 = 27u;

// Word `i` of the digits of the block whose invocations begin at lane `first`: eight words of five digits a byte, 32
// weights apart; four of five, 16 apart; one of four, 4 apart.
fn word(first: u32, i: u32) -> u32 {
    var at = 8u * first + i;
    var apart = 8u;
    if i >= 12u {
        at = 8u * first + 60u;
        apart = 1u;
    } else if i >= 8u {
        at = 8u * first + 40u + i - 8u;
        apart = 4u;
    }
    // Four bytes at once: none exceeds 242.
    var number = 0u;
    for (var j = 0u; j < 5u; j++) {
        number *= 3u;
        if i < 12u || j < 4u {
            number += codes[at + apart * j];
        }
    }
    // A fraction of 243 as one of 256, so that multiplying brings out digit after digit.
    var bytes = 0u;
    for (var j = 0u; j < 4u; j++) {
        bytes |= ((((number >> (8u * j)) & 0xffu) * 256u + 242u) / 243u) << (8u * j);
    }
    return bytes;
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
    for (var i = lane & 7u; i < 13u; i += 8u) {
        words[at + i] = word(first, i);
    }
    if lane == first {
        words[at + 13u] = d;
    }
    write_blocks(lane, (part - lane) / 8u);
}
