// What is done to each number by itself, or to the numbers of two rows at the same place: a number an invocation. Twins
// in src/cpu/forward/rows.rs and rope.rs.
//#include shared/forward.wgsl
//#include shared/activation.wgsl

struct Params {
    first: u32,
    count: u32,
    // What is done: `Work` in src/gpu/forward/rows.rs.
    work: u32,
    // 1 where the output is also the first input.
    in_place: u32,
    // Numbers of a row.
    width: u32,
    // Tokens of a chunk.
    chunk: u32,
    // Tokens before a chunk.
    past: u32,
    by: f32,
    // Of activations which, of a temperature how many tokens it holds.
    every: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> other: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(id, groups) * 64u + lane;
    if number >= params.count {
        return;
    }
    var x: f32;
    if params.in_place == 1u {
        x = output[number];
    } else {
        x = input[number];
    }
    let row = number / params.width;
    let position = params.past + row % params.chunk;
    switch params.work {
        case 0u: {
            x = activate(params.every, x);
        }
        case 1u: {
            x = gated(params.every, x, other[number]);
        }
        case 2u: {
            x += other[number];
        }
        case 3u: {
            x *= other[row];
        }
        case 4u: {
            x *= params.by;
        }
        case 5u: {
            x = params.by * hyperbolic_tangent(x / params.by);
        }
        case 6u: {
            x = clamp(x, -params.by, params.by);
        }
        case 7u: {
            x += other[position * params.width + number % params.width];
        }
        default: {
            x *= 1.0 + params.by * log(f32(position / params.every + 1u));
        }
    }
    output[number] = x;
}
