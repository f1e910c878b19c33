// Rows times a matrix on matrix units: a workgroup stages tiles in its memory, its subgroups of 32 multiply 16 by 16 by 16
// in half precision and sum in single. What is staged next is read while a tile is multiplied.
enable f16;
enable wgpu_cooperative_matrix;
//#include shared/number/f16.wgsl
//#include shared/matrix/{size}.wgsl
//#include shared/multiply.wgsl

// Fours of numbers that are staged at a time, and from row to row of what is staged: not a multiple of the banks.
const STEP: u32 = 8u;
const PITCH: u32 = 10u;
const PARTS_ACROSS: u32 = OUTPUTS / (16u * WIDE);
// Fours of numbers that an invocation stages.
const X_LOADS: u32 = TOKENS * STEP / INVOCATIONS;
const W_LOADS: u32 = OUTPUTS * STEP / INVOCATIONS;

var<workgroup> x_tile: array<Quad, TOKENS * PITCH>;
var<workgroup> w_tile: array<Quad, OUTPUTS * PITCH>;
// A matrix of each subgroup, on its way out.
var<workgroup> out_tile: array<f32, INVOCATIONS / 32u * 256u>;

@compute @workgroup_size(INVOCATIONS)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    // All of a workgroup multiplies to the end: beyond the last tile it is computed again.
    let group = min(group_number(id, groups), params.count - 1u);
    let token = group / params.across * TOKENS;
    let out = group % params.across * OUTPUTS;
    let subgroup = lane / 32u;
    let part_x = subgroup / PARTS_ACROSS * 16u * TALL;
    let part_w = subgroup % PARTS_ACROSS * 16u * WIDE;
    var x_next: array<Quad, X_LOADS>;
    var w_next: array<Quad, W_LOADS>;
    for (var i = 0u; i < X_LOADS; i++) {
        let at = i * INVOCATIONS + lane;
        x_next[i] = x_quad(token + at / STEP, at % STEP);
    }
    for (var i = 0u; i < W_LOADS; i++) {
        let at = i * INVOCATIONS + lane;
        w_next[i] = w_quad(out + at / STEP, at % STEP);
    }
    var sums: array<coop_mat16x16<f32, C>, TALL * WIDE>;
    for (var k = 0u; k < params.inputs; k += STEP) {
        for (var i = 0u; i < X_LOADS; i++) {
            let at = i * INVOCATIONS + lane;
            x_tile[at / STEP * PITCH + at % STEP] = x_next[i];
        }
        for (var i = 0u; i < W_LOADS; i++) {
            let at = i * INVOCATIONS + lane;
            w_tile[at / STEP * PITCH + at % STEP] = w_next[i];
        }
        workgroupBarrier();
        for (var i = 0u; i < X_LOADS; i++) {
            let at = i * INVOCATIONS + lane;
            x_next[i] = x_quad(token + at / STEP, k + STEP + at % STEP);
        }
        for (var i = 0u; i < W_LOADS; i++) {
            let at = i * INVOCATIONS + lane;
            w_next[i] = w_quad(out + at / STEP, k + STEP + at % STEP);
        }
        for (var j = 0u; j < STEP; j += 4u) {
            var xs: array<coop_mat16x16<f16, A>, TALL>;
            for (var i = 0u; i < TALL; i++) {
                let at = (part_x + 16u * i) * PITCH + j;
                xs[i] = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[at], PITCH);
            }
            for (var n = 0u; n < WIDE; n++) {
                let at = (part_w + 16u * n) * PITCH + j;
                let w = coopLoad<coop_mat16x16<f16, B>>(&w_tile[at], PITCH);
                for (var i = 0u; i < TALL; i++) {
                    sums[i * WIDE + n] = coopMultiplyAdd(xs[i], w, sums[i * WIDE + n]);
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < TALL; i++) {
        for (var n = 0u; n < WIDE; n++) {
            let own = subgroup * 256u;
            coopStoreT(sums[i * WIDE + n], &out_tile[own], 16u);
            workgroupBarrier();
            for (var at = lane % 32u; at < 256u; at += 32u) {
                let number = out_tile[own + at];
                store(token + part_x + 16u * i + at / 16u, out + part_w + 16u * n + at % 16u, number);
            }
            workgroupBarrier();
        }
    }
}
