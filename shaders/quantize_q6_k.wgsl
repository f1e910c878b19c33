// Q6_K: a sub-block of 16 weights an invocation; sixteen of them a super-block of 52 words and a half, so a workgroup
// writes four super-blocks together.
//#include shared/convert.wgsl
//#include shared/weights16.wgsl
//#include shared/pack.wgsl
//#include shared/scaled_super.wgsl
//#include shared/stream.wgsl

const SUBS: u32 = 16u;
const TOP: f32 = 128.0;
const HALVES: u32 = 105u;
const BLOCKS: u32 = 4u;

const STEPS: u32 = 8u;
var<private> steps: array<f32, 8> = array<f32, 8>(-29.45, -29.95, -30.45, -30.95, -31.45, -31.95, -32.45, -32.95);

// Four codes a word, in the order of the weights.
var<workgroup> codes: array<u32, 4 * WORKGROUP>;

fn nearest(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(-32.0), vec4f(31.0)));
}

// Word `i` of a super-block whose codes begin at `first`: 32 words of low bits, then 16 of high bits.
fn code_word(first: u32, i: u32) -> u32 {
    let low_at = first + i / 16u * 32u + i % 16u;
    let low = (codes[low_at] & 0x0f0f0f0fu) | ((codes[low_at + 16u] & 0x0f0f0f0fu) << 4u);
    if i < 32u {
        return low;
    }
    let high_at = first + (i - 32u) / 8u * 32u + i % 8u;
    var high = 0u;
    for (var j = 0u; j < 4u; j++) {
        high |= ((codes[high_at + 8u * j] >> 4u) & 0x03030303u) << (2u * j);
    }
    return high;
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(num_workgroups) groups: vec3u,
) {
    let sub_block = number(id, groups);
    // All invocations take part in the barriers; those past the end do the last sub-block once more.
    let found = search(lane, min(sub_block, params.blocks * 16u - 1u));
    fits[lane] = found.scale;
    for (var w = 0u; w < 4u; w++) {
        codes[4u * lane + w] = pack4(nearest(exact4(x[w] * found.inverse_scale)) + 32.0);
    }
    workgroupBarrier();
    let s = lane & 15u;
    let first = lane & ~15u;
    let at = lane / 16u * SPACE;
    for (var i = s; i < 48u; i += 16u) {
        words[at + i] = code_word(4u * first, i);
    }
    if s < 4u {
        var word = 0u;
        for (var i = 0u; i < 4u; i++) {
            word |= (u32(i32(fits[first + 4u * s + i])) & 0xffu) << (8u * i);
        }
        words[at + 48u + s] = word;
    }
    if s == 4u {
        words[at + 52u] = found.d;
    }
    write_blocks(lane, (sub_block - lane) / 16u);
}
