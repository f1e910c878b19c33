// A few rows times a matrix whose blocks are unpacked as they are read: 32 invocations take four rows of the matrix, each a
// part of 32 weights at a time.
//#include shared/number/f32.wgsl
//#include shared/forward.wgsl
//#include shared/unpack/{format}.wgsl

struct Params {
    first: u32,
    count: u32,
    outputs: u32,
    // Parts of 32 weights in a row.
    parts: u32,
    // Where x begins, and how far its next row is, in fours of numbers; where y does, in numbers.
    x_first: u32,
    x_step: u32,
    y_first: u32,
    y_step: u32,
    // 0 where there is no bias, else 1 more than its first.
    bias: u32,
    // The matrix's first row.
    row: u32,
}

// Rows of x; at most 4.
override TOKENS: u32 = 1u;

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> rows: array<Quad>;
@group(0) @binding(5) var<storage, read> biases: array<f32>;

const LANES: u32 = 32u;
// Rows of the matrix that the lanes of one take, and such bands in a workgroup.
const HEIGHT: u32 = 4u;
const BANDS: u32 = 2u;
// From one four of a part to the next in workgroup memory: one more than the lanes, so that banks differ.
const PITCH: u32 = LANES + 1u;

// The products so far, of each token and row; the row whose weights come next; what they are multiplied by.
var<private> sums: array<f32, 16>;
var<private> row: u32;
var<private> x: array<array<Quad, 8>, 4>;

// What the lanes of a band multiply their parts by, and their sums at the end.
var<workgroup> tile: array<Quad, 4 * 8 * PITCH>;
var<workgroup> partial: array<f32, 16 * BANDS * LANES>;

fn put(w: u32, weights: vec4f) {
    for (var t = 0u; t < TOKENS; t++) {
        sums[t * HEIGHT + row] += dot(x[t][w], weights);
    }
}

fn stage(invocation: u32, part: u32) {
    for (var t = 0u; t < TOKENS; t++) {
        for (var i = invocation; i < 8u * LANES; i += BANDS * LANES) {
            if part + i / 8u < params.parts {
                tile[(t * 8u + i % 8u) * PITCH + i / 8u] = rows[params.x_first + t * params.x_step + part * 8u + i];
            }
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let group = group_number(id, groups);
    if group >= params.count {
        return;
    }
    let lane = invocation % LANES;
    let band = invocation / LANES;
    let first = (group * BANDS + band) * HEIGHT;
    // Beyond the last row another is computed again, and not stored.
    let last = params.outputs - 1u;
    for (var begin = 0u; begin < params.parts; begin += LANES) {
        stage(invocation, begin);
        workgroupBarrier();
        let part = begin + lane;
        if part < params.parts {
            for (var t = 0u; t < TOKENS; t++) {
                for (var w = 0u; w < 8u; w++) {
                    x[t][w] = tile[(t * 8u + w) * PITCH + lane];
                }
            }
            row = 0u;
            unpack((params.row + min(first, last)) * params.parts + part);
            row = 1u;
            unpack((params.row + min(first + 1u, last)) * params.parts + part);
            row = 2u;
            unpack((params.row + min(first + 2u, last)) * params.parts + part);
            row = 3u;
            unpack((params.row + min(first + 3u, last)) * params.parts + part);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < HEIGHT * TOKENS; i++) {
        partial[(i * BANDS + band) * LANES + lane] = sums[i];
    }
    workgroupBarrier();
    // An invocation adds up a sum of its band.
    let own = first + lane % HEIGHT;
    if lane < HEIGHT * TOKENS && own < params.outputs {
        var sum = 0.0;
        for (var i = 0u; i < LANES; i++) {
            sum += partial[(lane * BANDS + band) * LANES + i];
        }
        if params.bias > 0u {
            sum += biases[params.bias - 1u + own];
        }
        output[params.y_first + lane / HEIGHT * params.y_step + own] = sum;
    }
}
