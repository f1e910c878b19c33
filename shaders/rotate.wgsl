// The Walsh-Hadamard rotation of groups of numbers, in place: a group an invocation. Twin: src/cache/rotation.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    // Numbers of a group, a power of two, and 1 / √ of that.
    group: u32,
    scale: f32,
}

@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups) * 64u + lane;
    if group >= params.count {
        return;
    }
    let first = group * params.group;
    for (var half = 1u; half < params.group; half *= 2u) {
        for (var i = 0u; i < params.group / 2u; i++) {
            let at = first + i / half * 2u * half + i % half;
            let a = output[at];
            let b = output[at + half];
            output[at] = a + b;
            output[at + half] = a - b;
        }
    }
    for (var i = 0u; i < params.group; i++) {
        output[first + i] *= params.scale;
    }
}
