// Rows in half precision, each scaled by a power of two so that its largest number is near 400: nothing overflows. A row a
// workgroup; after all rows come the inverse scales.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    // Fours of numbers in a row.
    width: u32,
    // The word of the first inverse scale.
    scales: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

const WORKGROUP: u32 = 64u;

var<workgroup> parts: array<f32, WORKGROUP>;

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
    let first = row * params.width;
    var largest = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        let x = abs(input[first + i]);
        largest = max(largest, max(max(x.x, x.y), max(x.z, x.w)));
    }
    parts[lane] = largest;
    workgroupBarrier();
    for (var i = 0u; i < WORKGROUP; i++) {
        largest = max(largest, parts[i]);
    }
    let exponent = clamp((bitcast<u32>(largest) >> 23u) & 255u, 9u, 253u);
    let scale = bitcast<f32>((262u - exponent) << 23u);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        let x = input[first + i] * scale;
        output[2u * (first + i)] = pack2x16float(x.xy);
        output[2u * (first + i) + 1u] = pack2x16float(x.zw);
    }
    if lane == 0u {
        output[params.scales + row] = (exponent - 8u) << 23u;
    }
}
