// Numbers are taken elsewhere, one an invocation. Twins: `columns` and `join` in src/cpu/forward/rows.rs, and what
// experts.rs there does with the rows of an expert.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    // What is done: `Arrangement` in src/gpu/forward/rows.rs.
    work: u32,
    // Numbers of a row, or group, of the output.
    width: u32,
    // The same of the input.
    from_width: u32,
    // The first column that is taken, or the first number that is written.
    column: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> other: array<u32>;

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
    let row = number / params.width;
    let column = number % params.width;
    switch params.work {
        case 0u: {
            output[number] = input[row * params.from_width + params.column + column];
        }
        case 1u: {
            // Of each head the numbers of one and then those of the other.
            if column < params.from_width {
                output[number] = input[row * params.from_width + column];
            } else {
                output[number] = other[row * (params.width - params.from_width) + column - params.from_width];
            }
        }
        case 2u: {
            // Behind what is there.
            output[params.column + number] = input[number];
        }
        default: {
            // The rows that a list names.
            output[number] = input[other[row] * params.from_width + column];
        }
    }
}
