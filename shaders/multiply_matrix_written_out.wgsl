// As multiply_matrix.wgsl, with the 4 by 4 matrices of a subgroup written out, for a compiler that does not unroll keeps
// them in memory.
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

// Writes what a subgroup left in workgroup memory: the matrix in row i and column n of its own.
fn flush(subgroup: u32, lane: u32, token: u32, out: u32) {
    workgroupBarrier();
    for (var at = lane % 32u; at < 256u; at += 32u) {
        store(token + at / 16u, out + at % 16u, out_tile[subgroup * 256u + at]);
    }
    workgroupBarrier();
}

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
    var s00 = coop_mat16x16<f32, C>();
    var s01 = coop_mat16x16<f32, C>();
    var s02 = coop_mat16x16<f32, C>();
    var s03 = coop_mat16x16<f32, C>();
    var s10 = coop_mat16x16<f32, C>();
    var s11 = coop_mat16x16<f32, C>();
    var s12 = coop_mat16x16<f32, C>();
    var s13 = coop_mat16x16<f32, C>();
    var s20 = coop_mat16x16<f32, C>();
    var s21 = coop_mat16x16<f32, C>();
    var s22 = coop_mat16x16<f32, C>();
    var s23 = coop_mat16x16<f32, C>();
    var s30 = coop_mat16x16<f32, C>();
    var s31 = coop_mat16x16<f32, C>();
    var s32 = coop_mat16x16<f32, C>();
    var s33 = coop_mat16x16<f32, C>();
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
            let x_at = part_x * PITCH + j;
            let x1_at = x_at + 16u * PITCH;
            let x2_at = x_at + 32u * PITCH;
            let x3_at = x_at + 48u * PITCH;
            let w_at = part_w * PITCH + j;
            let w1_at = w_at + 16u * PITCH;
            let w2_at = w_at + 32u * PITCH;
            let w3_at = w_at + 48u * PITCH;
            let x0 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x_at], PITCH);
            let x1 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x1_at], PITCH);
            let x2 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x2_at], PITCH);
            let x3 = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x3_at], PITCH);
            let w0 = coopLoad<coop_mat16x16<f16, B>>(&w_tile[w_at], PITCH);
            s00 = coopMultiplyAdd(x0, w0, s00);
            s10 = coopMultiplyAdd(x1, w0, s10);
            s20 = coopMultiplyAdd(x2, w0, s20);
            s30 = coopMultiplyAdd(x3, w0, s30);
            let w1 = coopLoad<coop_mat16x16<f16, B>>(&w_tile[w1_at], PITCH);
            s01 = coopMultiplyAdd(x0, w1, s01);
            s11 = coopMultiplyAdd(x1, w1, s11);
            s21 = coopMultiplyAdd(x2, w1, s21);
            s31 = coopMultiplyAdd(x3, w1, s31);
            let w2 = coopLoad<coop_mat16x16<f16, B>>(&w_tile[w2_at], PITCH);
            s02 = coopMultiplyAdd(x0, w2, s02);
            s12 = coopMultiplyAdd(x1, w2, s12);
            s22 = coopMultiplyAdd(x2, w2, s22);
            s32 = coopMultiplyAdd(x3, w2, s32);
            let w3 = coopLoad<coop_mat16x16<f16, B>>(&w_tile[w3_at], PITCH);
            s03 = coopMultiplyAdd(x0, w3, s03);
            s13 = coopMultiplyAdd(x1, w3, s13);
            s23 = coopMultiplyAdd(x2, w3, s23);
            s33 = coopMultiplyAdd(x3, w3, s33);
        }
        workgroupBarrier();
    }
    let own = subgroup * 256u;
    let row = token + part_x;
    let column = out + part_w;
    coopStoreT(s00, &out_tile[own], 16u);
    flush(subgroup, lane, row + 0u, column + 0u);
    coopStoreT(s01, &out_tile[own], 16u);
    flush(subgroup, lane, row + 0u, column + 16u);
    coopStoreT(s02, &out_tile[own], 16u);
    flush(subgroup, lane, row + 0u, column + 32u);
    coopStoreT(s03, &out_tile[own], 16u);
    flush(subgroup, lane, row + 0u, column + 48u);
    coopStoreT(s10, &out_tile[own], 16u);
    flush(subgroup, lane, row + 16u, column + 0u);
    coopStoreT(s11, &out_tile[own], 16u);
    flush(subgroup, lane, row + 16u, column + 16u);
    coopStoreT(s12, &out_tile[own], 16u);
    flush(subgroup, lane, row + 16u, column + 32u);
    coopStoreT(s13, &out_tile[own], 16u);
    flush(subgroup, lane, row + 16u, column + 48u);
    coopStoreT(s20, &out_tile[own], 16u);
    flush(subgroup, lane, row + 32u, column + 0u);
    coopStoreT(s21, &out_tile[own], 16u);
    flush(subgroup, lane, row + 32u, column + 16u);
    coopStoreT(s22, &out_tile[own], 16u);
    flush(subgroup, lane, row + 32u, column + 32u);
    coopStoreT(s23, &out_tile[own], 16u);
    flush(subgroup, lane, row + 32u, column + 48u);
    coopStoreT(s30, &out_tile[own], 16u);
    flush(subgroup, lane, row + 48u, column + 0u);
    coopStoreT(s31, &out_tile[own], 16u);
    flush(subgroup, lane, row + 48u, column + 16u);
    coopStoreT(s32, &out_tile[own], 16u);
    flush(subgroup, lane, row + 48u, column + 32u);
    coopStoreT(s33, &out_tile[own], 16u);
    flush(subgroup, lane, row + 48u, column + 48u);
}
