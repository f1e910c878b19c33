// Rounds the columns of one block of the format one by one, each of their errors changing those after it: four rows a
// workgroup. Where blocks cannot be taken apart, the columns are taken as they are.
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
@group(0) @binding(3) var<storage, read> inverse: array<vec4f>;
// What the block stands for, by row, where it cannot be taken apart.
@group(0) @binding(4) var<storage, read> values: array<f32>;

//#include shared/four_rows.wgsl

// The errors of a column, and those of the next.
var<workgroup> errors: array<vec4f, 2>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups);
    if 4u * group >= params.count {
        return;
    }
    let rows = rows_of(group);
    at = rows * params.stride;
    let quads = params.width / 4u;
    let end = params.column + BLOCK;
    let first = 4u * lane;
    let column = params.start + first;
    let is_rounded = first >= params.column && first < end;
    var targets: array<vec4f, OWN>;
    var kept: array<vec4f, OWN>;
    // What the block is taken to be there: levels, or values.
    var found: array<vec4f, OWN>;
    var scale = vec4f(0.0);
    var min = vec4f(0.0);
    if lane < quads {
        let begin = rows * params.columns + column;
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            kept[k] = vec4f(weights[begin.x + k], weights[begin.y + k], weights[begin.z + k], weights[begin.w + k]);
            targets[k] = kept[k] + load(work_first() + first + k);
        }
        if is_rounded && HAS_PARTS {
            scale = load(d_first() + column / BLOCK) * load(scales_first() + column / SUB);
            min = load(dmin_first() + column / BLOCK) * load(mins_first() + column / SUB);
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                found[k] = load(levels_first() + column + k);
            }
        }
        if is_rounded && !HAS_PARTS {
            let own = rows * BLOCK + first - params.column;
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                found[k] = vec4f(values[own.x + k], values[own.y + k], values[own.z + k], values[own.w + k]);
            }
        }
    }
    for (var l = params.column / 4u; l < end / 4u; l++) {
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            let i = 4u * l + k;
            if lane == l {
                if HAS_PARTS {
                    let level = nearest_level((targets[k] + min) / scale);
                    found[k] = select(level, found[k], scale == vec4f(0.0));
                    keep(levels_first() + column + k, found[k]);
                    found[k] = scale * found[k] - min;
                }
                keep(column + k, kept[k] - found[k]);
                errors[k % 2u] = (targets[k] - found[k]) / inverse[i * quads + l][k];
            }
            workgroupBarrier();
            let error = errors[k % 2u];
            if lane >= l && lane < quads {
                let u = inverse[i * quads + lane];
                //#unroll
                for (var m = 0u; m < OWN; m++) {
                    if lane > l || m > k {
                        targets[m] -= error * u[m];
                    }
                }
            }
        }
    }
    if first >= end && lane < quads {
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            keep(work_first() + first + k, targets[k] - kept[k]);
        }
    }
}
