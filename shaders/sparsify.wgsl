// Sets to 0 what goes of each row by its limit: scores below the bound, and the first of those that equal it. A row a workgroup.
// Twin: `Limit::keep` in src/prune/mask.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Rows.
    count: u32,
    width: u32,
}

// The bound and how many of its equals go, by row.
@group(0) @binding(0) var<storage, read> limits: array<vec2u>;
@group(0) @binding(1) var<storage, read_write> numbers: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> factors: array<f32>;

const WORKGROUP: u32 = 64u;

// How many equals there are up to an invocation's, of a stretch of as many columns.
var<workgroup> equals: array<u32, WORKGROUP>;

//#include shared/score.wgsl

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
    let limit = limits[row];
    var before = 0u;
    for (var start = 0u; start < params.width; start += WORKGROUP) {
        let j = start + lane;
        let at = row * params.width + j;
        var own = 0xffffffffu;
        if j < params.width {
            own = score(numbers[at], factors[j]);
        }
        equals[lane] = select(0u, 1u, own == limit.x);
        workgroupBarrier();
        for (var width = 1u; width < WORKGROUP; width *= 2u) {
            var more = 0u;
            if lane >= width {
                more = equals[lane - width];
            }
            workgroupBarrier();
            equals[lane] += more;
            workgroupBarrier();
        }
        let rank = before + equals[lane];
        if own < limit.x || own == limit.x && rank <= limit.y {
            numbers[at] = 0.0;
        }
        before += equals[WORKGROUP - 1u];
        workgroupBarrier();
    }
}
