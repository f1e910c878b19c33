// Columns of a block go one by one, and those after them make good what they can: four rows a workgroup. Which go is told by
// zeros among the marks, or found for each group of neighbours when it comes up.
// Twin: `prune_row` in src/prune/sparsegpt.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Rows.
    count: u32,
    columns: u32,
    // Numbers from a row's state to the next: errors, what is added to the weights of the block, and values.
    stride: u32,
    // The block.
    start: u32,
    width: u32,
    // Neighbours that stay, of how many; 0 where there are marks.
    kept: u32,
    neighbours: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// Of the block's part of the root.
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read> factors: array<f32>;
@group(0) @binding(5) var<storage, read> marks: array<f32>;

//#include shared/four_rows.wgsl
//#include shared/score.wgsl

const MOST: u32 = 256u;

var<workgroup> targets: array<vec4f, MOST>;
// 1 where a column goes, by row. Not truth values: a GPU may keep several of them in a word, which invocations then overwrite.
var<workgroup> goes: array<vec4f, MOST>;

// Decides for one of the rows which of the neighbours from a column on go.
fn decide(row: u32, column: u32) {
    let own = min(params.neighbours, params.width - column);
    let gone = own * (params.neighbours - params.kept) / params.neighbours;
    for (var i = column; i < column + own; i++) {
        let mine = score(targets[i][row], factors[params.start + i]);
        var rank = 0u;
        for (var j = column; j < column + own; j++) {
            let other = score(targets[j][row], factors[params.start + j]);
            rank += select(0u, 1u, other < mine || other == mine && j < i);
        }
        goes[i][row] = select(0.0, 1.0, rank < gone);
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
    let rows = rows_of(group);
    at = rows * params.stride;
    let begin = rows * params.columns + params.start;
    for (var j = lane; j < params.width; j += WORKGROUP) {
        let own = begin + j;
        let kept = vec4f(weights[own.x], weights[own.y], weights[own.z], weights[own.w]);
        targets[j] = kept + load(params.columns + j);
        if params.neighbours == 0u {
            let own = rows * params.width + j;
            let mark = vec4f(marks[own.x], marks[own.y], marks[own.z], marks[own.w]);
            goes[j] = select(vec4f(0.0), vec4f(1.0), mark == vec4f(0.0));
        }
    }
    workgroupBarrier();
    for (var j = 0u; j < params.width; j++) {
        if params.neighbours > 0u && j % params.neighbours == 0u {
            if lane < 4u {
                decide(lane, j);
            }
            workgroupBarrier();
        }
        let u = j * params.width;
        let error = select(vec4f(0.0), targets[j] / inverse[u + j], goes[j] > vec4f(0.5));
        for (var k = j + 1u + lane; k < params.width; k += WORKGROUP) {
            targets[k] -= error * inverse[u + k];
        }
        workgroupBarrier();
    }
    for (var j = lane; j < params.width; j += WORKGROUP) {
        let own = begin + j;
        let before = vec4f(weights[own.x], weights[own.y], weights[own.z], weights[own.w]);
        let value = select(targets[j], vec4f(0.0), goes[j] > vec4f(0.5));
        keep(params.start + j, before - value);
        keep(params.columns + MOST + params.start + j, value);
    }
}
