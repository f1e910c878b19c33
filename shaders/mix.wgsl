// The rows of a token's experts, each times its share, are added up: a number an invocation. Twin: the end of `experts` in
// src/cpu/forward/experts.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    // Numbers of a row.
    width: u32,
    // Experts of a token.
    used: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// The row of each token's experts in the input, and the bits of its share.
@group(0) @binding(3) var<storage, read> chosen: array<vec2u>;

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
    let token = number / params.width;
    var sum = 0.0;
    for (var i = 0u; i < params.used; i++) {
        let place = chosen[token * params.used + i];
        sum += bitcast<f32>(place.y) * input[place.x * params.width + number % params.width];
    }
    output[number] = sum;
}
