// Columns become rows, with zeros behind them: a number of the output an invocation. It has no twin: on a processor the same
// product reads columns where they are, in src/cpu/forward/gram.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Numbers of the output.
    count: u32,
    rows: u32,
    // The first number of the input, and from row to row.
    begin: u32,
    pitch: u32,
    // Numbers of a row of the output.
    width: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

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
    let row = number % params.width;
    var word = 0u;
    if row < params.rows {
        word = input[params.begin + row * params.pitch + number / params.width];
    }
    output[number] = word;
}
