// Blocks of some columns are taken apart into the records of their rows, with the errors that they make: a weight an
// invocation. Of a format whose blocks cannot be taken apart the input is what they stand for.
// Twin: `Parts::read` in src/quant/parts.rs.
//#include shared/forward.wgsl
//#include shared/record.wgsl
//#include shared/places.wgsl
//#include shared/levels/{levels}_codes.wgsl

struct Params {
    first: u32,
    // Weights.
    count: u32,
    columns: u32,
    stride: u32,
    // The first of the columns, and how many of them.
    column: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> places: array<u32>;

// What the weight `i` of a row's columns stands for in its block, the numbers of which are written to the row's record.
fn take_apart(at: u32, n: u32, i: u32) -> f32 {
    let byte = n / BLOCK * BYTES;
    let j = params.column + i;
    let in_block = i % BLOCK;
    let sub = in_block / SUB;
    let level = level_of(byte, places[in_block]);
    var next = BLOCK;
    var scale = 1.0;
    if HAS_SCALES {
        scale = whole_at(byte, places[next + sub], SCALE_BIAS, SCALE_HIGH);
        next += SUBS;
    }
    var min = select(0.0, -1.0, HAS_DMIN);
    if HAS_MINS {
        min = whole_at(byte, places[next + sub], MIN_BIAS, MIN_HIGH);
        next += SUBS;
    }
    let d = f16_decode(code_at(byte, places[next]));
    var dmin = 0.0;
    if HAS_DMIN {
        dmin = f16_decode(code_at(byte, places[next + 1u]));
    }
    state[at + levels_first() + j] = level;
    if in_block % SUB == 0u {
        state[at + scales_first() + j / SUB] = scale;
        state[at + mins_first() + j / SUB] = min;
    }
    if in_block == 0u {
        state[at + d_first() + j / BLOCK] = d;
        state[at + dmin_first() + j / BLOCK] = dmin;
    }
    return d * scale * level - dmin * min;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let n = group_number(id, groups) * 64u + lane;
    if n >= params.count {
        return;
    }
    let row = n / params.width;
    let i = n % params.width;
    let at = row * params.stride;
    var value: f32;
    if HAS_PARTS {
        value = take_apart(at, n, i);
    } else {
        value = bitcast<f32>(input[n]);
    }
    let j = params.column + i;
    if j == 0u {
        state[at + moves_first()] = 0.0;
    }
    state[at + j] = weights[row * params.columns + j] - value;
}
