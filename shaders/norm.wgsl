// Groups of numbers are normalised by their mean square, or by mean and variance, then multiplied and shifted: a group a
// workgroup. Twin: `norm` in src/cpu/forward/rows.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    // Numbers of a group.
    width: u32,
    // How many factors and shifts there are, which go round; 0 where there are none.
    factors: u32,
    shifts: u32,
    // 1 where the mean is taken off.
    centred: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> factors: array<f32>;
@group(0) @binding(4) var<storage, read> shifts: array<f32>;

// Enough to hide how long memory takes where one row is all there is.
const WORKGROUP: u32 = 256u;

var<workgroup> parts: array<f32, WORKGROUP>;

// The sum of what all invocations have, in the same order in each.
fn sum(lane: u32, part: f32) -> f32 {
    workgroupBarrier();
    parts[lane] = part;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            parts[lane] += parts[lane + half];
        }
        workgroupBarrier();
    }
    return parts[0];
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups);
    if group >= params.count {
        return;
    }
    let first = group * params.width;
    var mean = 0.0;
    if params.centred == 1u {
        var part = 0.0;
        for (var i = lane; i < params.width; i += WORKGROUP) {
            part += input[first + i];
        }
        mean = sum(lane, part) / f32(params.width);
    }
    var part = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        let x = input[first + i] - mean;
        part += x * x;
    }
    let scale = 1.0 / sqrt(sum(lane, part) / f32(params.width) + params.epsilon);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        var x = (input[first + i] - mean) * scale;
        if params.factors > 0u {
            x *= factors[(first + i) % params.factors];
        }
        if params.shifts > 0u {
            x += shifts[(first + i) % params.shifts];
        }
        output[first + i] = x;
    }
}
