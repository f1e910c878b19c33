// Rounds the columns of one block of the format one by one, each of their errors changing those after it: a row a workgroup,
// four columns an invocation. Where blocks cannot be taken apart, the columns are taken as they are.
// Twin: `round` in src/feedback/carry.rs.
//#include shared/forward.wgsl
//#include shared/record.wgsl
//#include shared/levels/{levels}.wgsl

struct Params {
    first: u32,
    // Rows.
    count: u32,
    columns: u32,
    stride: u32,
    // The columns that are worked on: the first, and how many.
    start: u32,
    width: u32,
    // The first of those that are rounded among these.
    column: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// Of the columns' part of the root.
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
// What the block stands for, by row, where it cannot be taken apart.
@group(0) @binding(4) var<storage, read> values: array<f32>;

const WORKGROUP: u32 = 64u;
const OWN: u32 = MOST / WORKGROUP;

// The error of a column, and that of the next.
var<workgroup> errors: array<f32, 2>;

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
    let begin = row * params.columns + params.start;
    let end = params.column + BLOCK;
    var targets: array<f32, OWN>;
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + lane;
        if j < params.width {
            targets[k] = weights[begin + j] + state[at + work_first() + j];
        }
    }
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + lane;
        let column = params.start + j;
        let is_own = j >= params.column && j < end;
        var scale = 0.0;
        var min = 0.0;
        var value = 0.0;
        var weight = 0.0;
        var diagonal = 1.0;
        if is_own {
            weight = weights[begin + j];
            diagonal = inverse[j * params.width + j];
            if HAS_PARTS {
                scale = state[at + d_first() + column / BLOCK] * state[at + scales_first() + column / SUB];
                min = state[at + dmin_first() + column / BLOCK] * state[at + mins_first() + column / SUB];
                value = state[at + levels_first() + column];
            } else {
                value = values[row * BLOCK + j - params.column];
            }
        }
        let first = clamp(k * WORKGROUP, params.column, end);
        let last = clamp((k + 1u) * WORKGROUP, params.column, end);
        for (var i = first; i < last; i++) {
            if i == j {
                if HAS_PARTS {
                    var level = value;
                    if scale != 0.0 {
                        level = nearest_level((targets[k] + min) / scale);
                        state[at + levels_first() + column] = level;
                    }
                    value = scale * level - min;
                }
                state[at + column] = weight - value;
                errors[i & 1u] = (targets[k] - value) / diagonal;
            }
            workgroupBarrier();
            let error = errors[i & 1u];
            //#unroll
            for (var l = 0u; l < OWN; l++) {
                let later = l * WORKGROUP + lane;
                if later > i && later < params.width {
                    targets[l] -= error * inverse[i * params.width + later];
                }
            }
        }
    }
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + lane;
        if j >= end && j < params.width {
            state[at + work_first() + j] = targets[k] - weights[begin + j];
        }
    }
}
