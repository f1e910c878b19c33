// A few rows times a matrix whose blocks are unpacked as they are read: LANES invocations take two rows of the matrix, each a
// part of 32 weights at a time; a workgroup is BANDS of these, 128 invocations in all. The including shader says how many.
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
    // 1 where products are added to what is there.
    adds: u32,
}

// Rows of x.
const TOKENS: u32 = {tokens}u;

@group(0) @binding(0) var<storage, read> input: array<{word}>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> rows: array<Quad>;
@group(0) @binding(5) var<storage, read> biases: array<f32>;

// Rows of the matrix that the lanes of a band take.
const HEIGHT: u32 = 2u;
// From one four of a part to the next in workgroup memory: one more than the lanes, so that banks differ.
const PITCH: u32 = LANES + 1u;

// The products so far of a row whose weights come, by token; where the numbers lie that they are multiplied by.
var<private> sums: vec4f;
var<private> own: u32;

// What the lanes of a band multiply their parts by, and their sums at the end.
var<workgroup> tile: array<Quad, TOKENS * 8 * PITCH>;
var<workgroup> partial: array<f32, TOKENS * HEIGHT * BANDS * LANES>;

fn put(w: u32, weights: vec4f) {
    //#unroll
    for (var t = 0u; t < TOKENS; t++) {
        sums[t] += dot(tile[(t * 8u + w) * PITCH + own], weights);
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

@compute @workgroup_size(128)
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
    own = lane;
    //#repeat r HEIGHT
    var sum$r = vec4f();
    //#end
    for (var begin = 0u; begin < params.parts; begin += LANES) {
        stage(invocation, begin);
        workgroupBarrier();
        let part = begin + lane;
        if part < params.parts {
            //#repeat r HEIGHT
            sums = sum$r;
            unpack((params.row + min(first + $ru, last)) * params.parts + part);
            sum$r = sums;
            //#end
        }
        workgroupBarrier();
    }
    //#repeat r HEIGHT
    //#unroll
    for (var t = 0u; t < TOKENS; t++) {
        partial[((t * HEIGHT + $ru) * BANDS + band) * LANES + lane] = sum$r[t];
    }
    //#end
    workgroupBarrier();
    // An invocation adds up a sum of its band.
    let out = first + lane % HEIGHT;
    if lane < HEIGHT * TOKENS && out < params.outputs {
        var sum = 0.0;
        for (var i = 0u; i < LANES; i++) {
            sum += partial[(lane * BANDS + band) * LANES + i];
        }
        if params.bias > 0u {
            sum += biases[params.bias - 1u + out];
        }
        let at = params.y_first + lane / HEIGHT * params.y_step + out;
        if params.adds == 1u {
            sum += output[at];
        }
        output[at] = sum;
    }
}
