// Blocks of some rows of a matrix become a panel of weights that rows are multiplied with: 32 weights an invocation.
//#include shared/forward.wgsl
//#include shared/unpack/{format}.wgsl
//#include shared/panel/{number}.wgsl

struct Params {
    first: u32,
    // Parts of 32 weights.
    count: u32,
    // The first of them in the matrix.
    part: u32,
}

@group(0) @binding(0) var<storage, read> input: array<{word}>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

// The place of the invocation's weights among those of the panel.
var<private> place: u32;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    place = group_number(id, groups) * 64u + lane;
    if place < params.count {
        unpack(params.part + place);
    }
}
