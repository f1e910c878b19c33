// Rows become orthonormal, one after the other: each loses what the rows before it have of it, twice, and gets the length 1.
// A single workgroup, for each row waits for the one before. Twin: src/lowrank/orthonormal.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    // Rows up to the last that is worked on.
    count: u32,
    // The first row that is worked on; those before are orthonormal.
    begin: u32,
    // Numbers of a row.
    width: u32,
}

@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const WORKGROUP: u32 = 256u;
// Invocations that add up the product of two rows, and rows whose products are in memory at a time.
const TEAM: u32 = 32u;
const STRIP: u32 = 256u;
// What is left of a row by its length; less is rounding. `NOTHING` in the twin.
const NOTHING: f32 = 1e-5;

var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> shares: array<f32, STRIP>;

// Leaves the sum over a team's invocations with the first of them.
fn add_up(lane: u32, team: u32, own: f32) {
    sums[lane] = own;
    workgroupBarrier();
    for (var width = team / 2u; width > 0u; width /= 2u) {
        if lane % team < width {
            sums[lane] += sums[lane + width];
        }
        workgroupBarrier();
    }
}

// The length of a row.
fn length_of(at: u32, lane: u32) -> f32 {
    var own = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        own += rows[at + i] * rows[at + i];
    }
    add_up(lane, WORKGROUP, own);
    let square = sums[0];
    workgroupBarrier();
    return sqrt(square);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    let width = params.width;
    for (var row = params.begin; row < params.count; row++) {
        let at = row * width;
        let whole = length_of(at, lane);
        for (var turn = 0u; turn < 2u; turn++) {
            for (var strip = 0u; strip < row; strip += STRIP) {
                let some = min(STRIP, row - strip);
                for (var first = 0u; first < some; first += WORKGROUP / TEAM) {
                    let other = first + lane / TEAM;
                    var product = 0.0;
                    if other < some {
                        let start = (strip + other) * width;
                        for (var i = lane % TEAM; i < width; i += TEAM) {
                            product += rows[start + i] * rows[at + i];
                        }
                    }
                    add_up(lane, TEAM, product);
                    if lane % TEAM == 0u && other < some {
                        shares[other] = sums[lane];
                    }
                    workgroupBarrier();
                }
                for (var i = lane; i < width; i += WORKGROUP) {
                    var number = rows[at + i];
                    for (var other = 0u; other < some; other++) {
                        number -= shares[other] * rows[(strip + other) * width + i];
                    }
                    rows[at + i] = number;
                }
                storageBarrier();
                workgroupBarrier();
            }
        }
        let left = length_of(at, lane);
        var factor = 0.0;
        if left > NOTHING * whole {
            factor = 1.0 / left;
        }
        for (var i = lane; i < width; i += WORKGROUP) {
            rows[at + i] *= factor;
        }
        storageBarrier();
        workgroupBarrier();
    }
}
