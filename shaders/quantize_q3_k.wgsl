// Q3_K: a sub-block of 16 weights an invocation; sixteen of them a super-block of 27 words and a half, so a workgroup
// writes four super-blocks together.
//#include shared/convert.wgsl
//#include shared/weights16.wgsl
//#include shared/pack.wgsl
//#include shared/scaled_super.wgsl
//#include shared/stream.wgsl

const SUBS: u32 = 16u;
const TOP: f32 = 32.0;
const HALVES: u32 = 55u;
const BLOCKS: u32 = 4u;

const STEPS: u32 = 8u;
var<private> steps: array<f32, 8> = array<f32, 8>(-4.9, -4.6, -4.3, -4.0, -3.7, -3.4, 2.9, 3.3);

// Four codes a word, in the order of the weights.
var<workgroup> codes: array<u32, 4 * WORKGROUP>;

fn nearest(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(-4.0), vec4f(3.0)));
}

// Word `i` of a super-block whose sub-blocks begin at lane `first`: 8 of the third bits, 16 of the low two, 3 of scales.
fn word(first: u32, i: u32) -> u32 {
    var bits = 0u;
    if i < 8u {
        for (var j = 0u; j < 8u; j++) {
            bits |= ((codes[4u * first + i + 8u * j] >> 2u) & 0x01010101u) << j;
        }
    } else if i < 24u {
        let at = 4u * first + (i - 8u) / 8u * 32u + i % 8u;
        for (var j = 0u; j < 4u; j++) {
            bits |= (codes[at + 8u * j] & 0x03030303u) << (2u * j);
        }
    } else {
        for (var j = 0u; j < 4u; j++) {
            if i < 26u {
                let s = first + 4u * (i - 24u) + j;
                bits |= ((u32(fits[s]) & 15u) | ((u32(fits[s + 8u]) & 15u) << 4u)) << (8u * j);
            } else {
                for (var k = 0u; k < 4u; k++) {
                    bits |= (u32(fits[first + j + 4u * k]) >> 4u) << (8u * j + 2u * k);
                }
            }
        }
    }
    return bits;
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
    fits[lane] = found.scale + 32.0;
    for (var w = 0u; w < 4u; w++) {
        codes[4u * lane + w] = pack4(nearest(exact4(x[w] * found.inverse_scale)) + 4.0);
    }
    workgroupBarrier();
    let at = lane / 16u * SPACE;
    for (var i = lane & 15u; i < 27u; i += 16u) {
        words[at + i] = word(lane & ~15u, i);
    }
    if (lane & 15u) == 15u {
        words[at + 27u] = found.d;
    }
    write_blocks(lane, (sub_block - lane) / 16u);
}
