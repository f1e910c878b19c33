// What every conversion kernel shares: its buffers, its parameters and its place in the work.

struct Params {
    // Blocks of the block format; weights, where both sides are floats.
    blocks: u32,
    // Factors of the squared errors, one a column of the matrix; 0 where there are none.
    columns: u32,
    // The column of the first weight.
    first: u32,
    // 0; see shared/exact.wgsl.
    zero: u32,
}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

const WORKGROUP: u32 = 64u;

// The number of an invocation in a grid of two dimensions, each of which may hold only 65,535 workgroups.
fn number(id: vec3u, groups: vec3u) -> u32 {
    return id.y * groups.x * WORKGROUP + id.x;
}
