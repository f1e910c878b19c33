// A sweep of coordinate descent over some columns, four rows a workgroup: levels, then what sub-blocks store, then the scales
// of blocks. Leaves what weights have changed by in the records.
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
@group(0) @binding(0) var<storage, read> h: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// Of the errors of rows with H.
@group(0) @binding(3) var<storage, read> products: array<vec4f>;

//#include shared/four_rows.wgsl

const MOST_SUBS: u32 = MOST / SUB;
const MOST_BLOCKS: u32 = MOST / BLOCK;

// Of this invocation: its number; and of its columns the product with H, the change of the weight, and the level.
var<private> own: u32;
var<private> g: array<vec4f, OWN>;
var<private> change: array<vec4f, OWN>;
var<private> levels: array<vec4f, OWN>;
var<private> has_moved: vec4<bool>;

// What the rows' blocks store.
var<workgroup> d: array<vec4f, MOST_BLOCKS>;
var<workgroup> dmin: array<vec4f, MOST_BLOCKS>;
var<workgroup> scales: array<vec4f, MOST_SUBS>;
var<workgroup> mins: array<vec4f, MOST_SUBS>;

// The change of a column's weight, and of the next one's.
var<workgroup> steps: array<vec4f, 2>;

// Four numbers of a row of H, those of this invocation's columns.
fn h_quad(i: u32) -> vec4f {
    return h[i * (params.width / 4u) + min(own, params.width / 4u - 1u)];
}

// Takes changes of the weights in a column off the products.
fn apply(i: u32, step: vec4f) {
    let quad = h_quad(i);
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        g[k] -= step * quad[k];
    }
}

//#include shared/descend/subs.wgsl
//#include shared/descend/refit.wgsl

fn choose_levels() {
    let is_there = 4u * own < params.width;
    let place = select(0u, own, is_there);
    let scale = d[4u * place / BLOCK] * scales[4u * place / SUB];
    for (var l = 0u; l < params.width / 4u; l++) {
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            if l == own {
                let square = h_quad(4u * l + k)[k];
                let unit = square * scale;
                let level = nearest_level(levels[k] + g[k] / unit);
                let step = scale * (level - levels[k]);
                let is_better = (unit != vec4f(0.0)) & (step * (step * square - 2.0 * g[k]) < vec4f(0.0));
                levels[k] = select(levels[k], level, is_better);
                steps[k % 2u] = select(vec4f(0.0), step, is_better);
                change[k] += select(vec4f(0.0), step, is_better);
            }
            workgroupBarrier();
            let step = steps[k % 2u];
            let is_step = step != vec4f(0.0);
            if any(is_step) {
                apply(4u * l + k, step);
                has_moved = has_moved | is_step;
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
    let group = group_number(id, groups);
    if 4u * group >= params.count {
        return;
    }
    own = lane;
    has_moved = vec4<bool>(false);
    let rows = rows_of(group);
    at = rows * params.stride;
    let sub = params.start / SUB + lane;
    let block = params.start / BLOCK + lane;
    if lane < params.width / SUB {
        scales[lane] = load(scales_first() + sub);
        mins[lane] = load(mins_first() + sub);
    }
    if lane < params.width / BLOCK {
        d[lane] = load(d_first() + block);
        dmin[lane] = load(dmin_first() + block);
    }
    let column = params.start + 4u * lane;
    let is_there = 4u * lane < params.width;
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        g[k] = vec4f(0.0);
        change[k] = vec4f(0.0);
        levels[k] = vec4f(0.0);
    }
    if is_there {
        let quad = (rows * params.columns + column) / 4u;
        let by_row = mat4x4f(products[quad.x], products[quad.y], products[quad.z], products[quad.w]);
        let by_column = transpose(by_row);
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            g[k] = by_column[k];
            levels[k] = load(levels_first() + column + k);
        }
    }
    workgroupBarrier();
    choose_levels();
    fit_subs();
    refit();
    workgroupBarrier();
    if is_there {
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            keep(work_first() + 4u * lane + k, change[k]);
            keep(column + k, load(column + k) - change[k]);
            keep(levels_first() + column + k, levels[k]);
        }
    }
    if lane < params.width / SUB {
        keep(scales_first() + sub, scales[lane]);
        keep(mins_first() + sub, mins[lane]);
    }
    if lane < params.width / BLOCK {
        keep(d_first() + block, d[lane]);
        keep(dmin_first() + block, dmin[lane]);
    }
    if lane == 0u {
        keep(moves_first(), load(moves_first()) + select(vec4f(0.0), vec4f(1.0), has_moved));
    }
}
