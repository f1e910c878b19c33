// How far numbers are from others: 4096 of them a workgroup, as sums of the squared difference and of the squared others.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Workgroups, and numbers.
    count: u32,
    numbers: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec2f>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> other: array<f32>;

const WORKGROUP: u32 = 64u;
const NUMBERS: u32 = 4096u;

var<workgroup> parts: array<vec2f, WORKGROUP>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups);
    if group >= params.count {
        return;
    }
    let last = min((group + 1u) * NUMBERS, params.numbers);
    var part = vec2f(0.0);
    for (var i = group * NUMBERS + lane; i < last; i += WORKGROUP) {
        let difference = input[i] - other[i];
        part += vec2f(difference * difference, other[i] * other[i]);
    }
    parts[lane] = part;
    workgroupBarrier();
    if lane == 0u {
        var sum = vec2f(0.0);
        for (var i = 0u; i < WORKGROUP; i++) {
            sum += parts[i];
        }
        output[group] = sum;
    }
}
