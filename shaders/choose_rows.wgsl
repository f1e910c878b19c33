// Rows that cost less than others take their place: a number an invocation.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Numbers, and those of a row.
    count: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// Costs of the input's rows, and of the output's.
@group(0) @binding(3) var<storage, read> costs: array<vec2f>;
@group(0) @binding(4) var<storage, read> known: array<vec2f>;

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
    if costs[row].x < known[row].x {
        output[n] = input[n];
    }
}
