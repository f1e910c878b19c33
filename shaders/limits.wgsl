// What goes of each row so that `gone` of its numbers do: the bits of the largest score that goes, and how many of its equals
// do. A row a workgroup. A score is a number's size times its column's factor; scores are not negative, so their bits have
// their order.
// Twin: `Limit::of` in src/prune/mask.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Rows.
    count: u32,
    width: u32,
    gone: u32,
}

@group(0) @binding(0) var<storage, read> numbers: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<vec2u>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> factors: array<f32>;

const WORKGROUP: u32 = 64u;

var<workgroup> counts: array<u32, WORKGROUP>;

//#include shared/score.wgsl

// How many scores of a row are below a bound, in every invocation.
fn below(row: u32, lane: u32, bound: u32) -> u32 {
    var count = 0u;
    for (var j = lane; j < params.width; j += WORKGROUP) {
        count += select(0u, 1u, score(numbers[row * params.width + j], factors[j]) < bound);
    }
    workgroupBarrier();
    counts[lane] = count;
    workgroupBarrier();
    for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
        if lane < width {
            counts[lane] += counts[lane + width];
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&counts[0]);
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
    // The largest bound that fewer are below than go: bit by bit.
    var bound = 0u;
    for (var bit = 31u; bit > 0u; bit--) {
        let higher = bound | (1u << (bit - 1u));
        if below(row, lane, higher) < params.gone {
            bound = higher;
        }
    }
    let less = below(row, lane, bound);
    if lane == 0u {
        output[row] = select(vec2u(bound, params.gone - less), vec2u(0u), params.gone == 0u);
    }
}
