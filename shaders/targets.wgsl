// The weights of some columns with what makes good the errors before them, row after row: a weight an invocation.
// Twin: `search_unit` in src/feedback/carry.rs.
//#include shared/forward.wgsl
//#include shared/record.wgsl

struct Params {
    first: u32,
    // Weights.
    count: u32,
    columns: u32,
    stride: u32,
    // The first column of those that are worked on, the first wanted among these, and how many are.
    start: u32,
    column: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> state: array<f32>;

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
    let j = params.column + n % params.width;
    output[n] = weights[row * params.columns + params.start + j] + state[row * params.stride + work_first() + j];
}
