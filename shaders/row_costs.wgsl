// What the errors of rows cost, of their products with H, and how often rows have changed: a row a workgroup.
// Twin: `Errors::costs` in src/feedback/band.rs.
//#include shared/forward.wgsl
//#include shared/record.wgsl

struct Params {
    first: u32,
    // Rows.
    count: u32,
    columns: u32,
    stride: u32,
}

@group(0) @binding(0) var<storage, read> state: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec2f>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> products: array<f32>;

const WORKGROUP: u32 = 64u;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(id, groups);
    if row >= params.count {
        return;
    }
    let at = row * params.stride;
    var sum = 0.0;
    for (var j = lane; j < params.columns; j += WORKGROUP) {
        sum += state[at + j] * products[row * params.columns + j];
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if lane < width {
            sums[lane] += sums[lane + width];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        output[row] = vec2f(sums[0], state[at + moves_first()]);
    }
}
