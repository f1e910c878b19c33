// Q6_K: a sub-block of 16 weights an invocation; sixteen of them a super-block of 52 words and a half, so a workgroup
// writes four super-blocks together.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl
//#include shared/symmetric.wgsl

const HALF: f32 = 32.0;
const QUADS: u32 = 4u;
const SUPER_ROUNDS: u32 = 1u;
// Whole words of a super-block, and all of its halves.
const WORDS: u32 = 52u;
const HALVES: u32 = 105u;

// The weights of a sub-block, in registers.
var<private> x: array<vec4f, 4>;

// Of each sub-block: its fit; the terms of the super-block's sums; its scale and codes. Then the words of the
// super-blocks.
var<workgroup> fits: array<f32, WORKGROUP>;
var<workgroup> terms: array<vec2f, WORKGROUP>;
var<workgroup> scales: array<u32, WORKGROUP>;
var<workgroup> codes: array<u32, 4 * WORKGROUP>;
var<workgroup> words: array<u32, 4 * (WORDS + 1)>;

fn load(sub_block: u32) {
    let first = sub_block * 4u;
    x[0] = weights(first);
    x[1] = weights(first + 1u);
    x[2] = weights(first + 2u);
    x[3] = weights(first + 3u);
}

// Sub-block scales have eight bits.
fn storable(scale: f32, d: f32) -> f32 {
    return round(clamp(scale * inverse(d), -128.0, 127.0));
}

// Step for step `symmetric_super` in src/quant/search.rs: leaves the sub-block's codes, returns its scale and the f16
// bits of d.
fn search(lane: u32, sub_block: u32) -> vec2u {
    load(sub_block);
    var sums = symmetric();
    fits[lane] = sums.xl * inverse(sums.ll);
    workgroupBarrier();
    let first = lane & ~15u;
    var extreme = 0.0;
    for (var s = 0u; s < 16u; s++) {
        let fit = fits[first + s];
        extreme = select(extreme, fit, abs(fit) > abs(extreme));
    }
    var d = extreme / -128.0;
    for (var i = 0u; i < SUPER_ROUNDS; i++) {
        let scale = storable(sums.xl * inverse(sums.ll), d);
        sums = symmetric_sums(inverse(d * scale));
        terms[lane] = vec2f(scale * sums.xl, scale * scale * sums.ll);
        workgroupBarrier();
        // By halves of the super-block, as the twin's vectors are summed.
        var low = vec2f(0.0);
        var high = vec2f(0.0);
        for (var s = 0u; s < 8u; s++) {
            low += terms[first + s];
            high += terms[first + 8u + s];
        }
        let total = low + high;
        if total.y > 0.0 {
            d = total.x / total.y;
        }
        workgroupBarrier();
    }
    let bits = f16_encode_scale(d);
    d = f16_decode(bits);
    let scale = storable(sums.xl * inverse(sums.ll), d);
    for (var w = 0u; w < 4u; w++) {
        codes[4u * lane + w] = symmetric_word(w, inverse(d * scale));
    }
    return vec2u(u32(i32(scale)), bits);
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

// Half `i` of the workgroup's super-blocks in a row.
fn stream_half(i: u32) -> u32 {
    let half = i % HALVES;
    return (words[i / HALVES * (WORDS + 1u) + half / 2u] >> ((half & 1u) * 16u)) & 0xffffu;
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
    scales[lane] = found.x & 0xffu;
    workgroupBarrier();
    let s = lane & 15u;
    let first = lane & ~15u;
    let words_at = lane / 16u * (WORDS + 1u);
    for (var i = s; i < 48u; i += 16u) {
        words[words_at + i] = code_word(4u * first, i);
    }
    if s < 4u {
        var word = 0u;
        for (var i = 0u; i < 4u; i++) {
            word |= scales[first + 4u * s + i] << (8u * i);
        }
        words[words_at + 48u + s] = word;
    }
    if s == 4u {
        words[words_at + WORDS] = found.y;
    }
    workgroupBarrier();
    // The workgroup's blocks are halves in a row; a last lone half shares its word with nothing.
    let block = (sub_block - lane) / 16u;
    if block >= params.blocks {
        return;
    }
    let halves = min(params.blocks - block, 4u) * HALVES;
    for (var i = 2u * lane; i < halves; i += 2u * WORKGROUP) {
        let upper = select(0u, stream_half(i + 1u), i + 1u < halves);
        output[(block * HALVES + i) / 2u] = stream_half(i) | (upper << 16u);
    }
}
