// A sweep of coordinate descent over some columns of a row, a row a workgroup, four columns an invocation: levels, then what
// sub-blocks store, then the scales of blocks. Leaves what weights have changed by in the record.
// Twins: `Part::sweep` in src/feedback/descend.rs, and src/feedback/refit.rs.
//#include shared/forward.wgsl
//#include shared/f16.wgsl
//#include shared/record.wgsl
//#include shared/levels/{levels}.wgsl

struct Params {
    first: u32,
    // Rows.
    count: u32,
    columns: u32,
    stride: u32,
    // The columns: the first, and how many.
    start: u32,
    width: u32,
}

// The columns' part of H.
@group(0) @binding(0) var<storage, read> h: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// Of the errors of rows with H.
@group(0) @binding(3) var<storage, read> products: array<f32>;

const WORKGROUP: u32 = 64u;
const OWN: u32 = MOST / WORKGROUP;
const MOST_SUBS: u32 = MOST / SUB;
const MOST_BLOCKS: u32 = MOST / BLOCK;

// Of this invocation: its number, and of its columns the product with H, the change of the weight, and the level.
var<private> own: u32;
var<private> g: array<f32, OWN>;
var<private> change: array<f32, OWN>;
var<private> levels: array<f32, OWN>;
var<private> has_moved: bool;

// What the row's blocks store.
var<workgroup> d: array<f32, MOST_BLOCKS>;
var<workgroup> dmin: array<f32, MOST_BLOCKS>;
var<workgroup> scales: array<f32, MOST_SUBS>;
var<workgroup> mins: array<f32, MOST_SUBS>;

// The change of a column's weight, and of the next one's.
var<workgroup> steps: array<f32, 2>;

// Columns of the `k`th 64.
fn columns_of(k: u32) -> u32 {
    return min(params.width - min(params.width, k * WORKGROUP), WORKGROUP);
}

// Takes a change of a weight off the products.
fn apply(i: u32, step: f32) {
    let begin = i * params.width + own;
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        if k * WORKGROUP + own < params.width {
            g[k] -= step * h[begin + k * WORKGROUP];
        }
    }
}

//#include shared/descend/subs.wgsl
//#include shared/descend/refit.wgsl

fn choose_levels() {
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + own;
        var scale = 0.0;
        var square = 0.0;
        if j < params.width {
            scale = d[j / BLOCK] * scales[j / SUB];
            square = h[j * params.width + j];
        }
        let count = columns_of(k);
        for (var i = 0u; i < count; i++) {
            if i == own {
                var step = 0.0;
                if scale * square != 0.0 {
                    let level = nearest_level(levels[k] + g[k] / (square * scale));
                    step = scale * (level - levels[k]);
                    if step * (step * square - 2.0 * g[k]) < 0.0 {
                        levels[k] = level;
                        change[k] += step;
                    } else {
                        step = 0.0;
                    }
                }
                steps[i & 1u] = step;
            }
            workgroupBarrier();
            let step = steps[i & 1u];
            if step != 0.0 {
                apply(k * WORKGROUP + i, step);
                has_moved = true;
            }
        }
    }
}

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
    own = lane;
    has_moved = false;
    let at = row * params.stride;
    let first = params.start / SUB;
    let block = params.start / BLOCK;
    if lane < params.width / SUB {
        scales[lane] = state[at + scales_first() + first + lane];
        mins[lane] = state[at + mins_first() + first + lane];
    }
    if lane < params.width / BLOCK {
        d[lane] = state[at + d_first() + block + lane];
        dmin[lane] = state[at + dmin_first() + block + lane];
    }
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + lane;
        g[k] = 0.0;
        change[k] = 0.0;
        levels[k] = 0.0;
        if j < params.width {
            g[k] = products[row * params.columns + params.start + j];
            levels[k] = state[at + levels_first() + params.start + j];
        }
    }
    workgroupBarrier();
    choose_levels();
    fit_subs();
    refit();
    workgroupBarrier();
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + lane;
        if j < params.width {
            state[at + work_first() + j] = change[k];
            state[at + params.start + j] -= change[k];
            state[at + levels_first() + params.start + j] = levels[k];
        }
    }
    if lane < params.width / SUB {
        state[at + scales_first() + first + lane] = scales[lane];
        state[at + mins_first() + first + lane] = mins[lane];
    }
    if lane < params.width / BLOCK {
        state[at + d_first() + block + lane] = d[lane];
        state[at + dmin_first() + block + lane] = dmin[lane];
    }
    if lane == 0u && has_moved {
        state[at + moves_first()] += 1.0;
    }
}
