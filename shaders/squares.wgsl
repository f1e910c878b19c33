// The squares of some columns of rows are added to what is there: a column an invocation, row by row. Twin: src/eval/activations.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Columns.
    count: u32,
    rows: u32,
    // The first number of the input, and from row to row.
    begin: u32,
    pitch: u32,
    // The first sum.
    sum: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group_number(id, groups) * 64u + lane;
    if column >= params.count {
        return;
    }
    var sum = 0.0;
    for (var row = 0u; row < params.rows; row++) {
        let x = input[params.begin + row * params.pitch + column];
        sum += x * x;
    }
    output[params.sum + column] += sum;
}
