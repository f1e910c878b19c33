// Sets to 0 all but `kept` of each so many neighbours in a row, those of the smallest scores, of equals the first: neighbours an
// invocation. Where the last are fewer, as many go as is their share.
// Twin: `keep_groups` in src/prune/mask.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Groups.
    count: u32,
    width: u32,
    kept: u32,
    neighbours: u32,
}

// The numbers as they were.
@group(0) @binding(0) var<storage, read> before: array<f32>;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> factors: array<f32>;

//#include shared/score.wgsl

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups) * 64u + lane;
    if group >= params.count {
        return;
    }
    let groups_of_row = (params.width + params.neighbours - 1u) / params.neighbours;
    let column = group % groups_of_row * params.neighbours;
    let at = group / groups_of_row * params.width + column;
    let own = min(params.neighbours, params.width - column);
    let gone = own * (params.neighbours - params.kept) / params.neighbours;
    for (var i = 0u; i < own; i++) {
        let mine = score(before[at + i], factors[column + i]);
        var rank = 0u;
        for (var j = 0u; j < own; j++) {
            let other = score(before[at + j], factors[column + j]);
            rank += select(0u, 1u, other < mine || other == mine && j < i);
        }
        if rank < gone {
            numbers[at + i] = 0.0;
        }
    }
}
