// The numbers in records become blocks: a word of the output, which may be of two blocks, an invocation.
// Twin: `Parts::write` in src/quant/parts.rs.
//#include shared/forward.wgsl
//#include shared/f16.wgsl
//#include shared/record.wgsl
//#include shared/levels/{levels}.wgsl

struct Params {
    first: u32,
    // Words.
    count: u32,
    columns: u32,
    stride: u32,
    // 16 bits each, of all rows.
    halves: u32,
}

@group(0) @binding(0) var<storage, read> state: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
// What is in each 16 bits of a block; `halves` in src/quant/layout.rs.
@group(0) @binding(3) var<storage, read> entries: array<u32>;

// The numbers of a half at most.
const MOST_IN_HALF: u32 = 16u;
const HALVES: u32 = BYTES / 2u;

// The code of a number of a block, by their order in a block.
fn code_of(at: u32, block: u32, number: u32) -> u32 {
    if number < BLOCK {
        return level_code(state[at + levels_first() + block * BLOCK + number]);
    }
    var rest = number - BLOCK;
    if HAS_SCALES {
        if rest < SUBS {
            return u32(i32(state[at + scales_first() + block * SUBS + rest]) + SCALE_BIAS);
        }
        rest -= SUBS;
    }
    if HAS_MINS {
        if rest < SUBS {
            return u32(i32(state[at + mins_first() + block * SUBS + rest]) + MIN_BIAS);
        }
        rest -= SUBS;
    }
    return f16_encode_scale(state[at + select(dmin_first(), d_first(), rest == 0u) + block]);
}

fn half_of(number: u32) -> u32 {
    if number >= params.halves {
        return 0u;
    }
    let in_row = params.columns / BLOCK * HALVES;
    let at = number / in_row * params.stride;
    let block = number % in_row / HALVES;
    let first = number % HALVES * MOST_IN_HALF;
    var half = 0u;
    for (var i = 0u; i < MOST_IN_HALF; i++) {
        let entry = entries[first + i];
        let bits = entry >> 17u;
        if bits == 0u {
            break;
        }
        let code = code_of(at, block, entry & 511u) >> ((entry >> 9u) & 15u);
        half |= (code & ((1u << bits) - 1u)) << ((entry >> 13u) & 15u);
    }
    return half;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let word = group_number(id, groups) * 64u + lane;
    if word < params.count {
        output[word] = half_of(2u * word) | (half_of(2u * word + 1u) << 16u);
    }
}
