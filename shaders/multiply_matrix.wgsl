// Rows times a matrix on matrix units, in half precision and summed in single: a workgroup stages a tile of both in its
// memory, each of its subgroups multiplies TALL by WIDE matrices of 16 by 16.
enable f16;
enable wgpu_cooperative_matrix;
//#include shared/number/f16.wgsl
//#include shared/multiply.wgsl

// A workgroup's tile of tokens and outputs, and a subgroup's part of it, in matrices of 16 by 16.
const TOKENS: u32 = 256u;
const OUTPUTS: u32 = 128u;
const TALL: u32 = 4u;
const WIDE: u32 = 4u;
const INVOCATIONS: u32 = 256u;
// Fours of numbers that are staged at a time. While one stage is multiplied, the next is read.
const STEP: u32 = 4u;
// From row to row of what is staged, in fours of numbers: not a multiple of the banks.
const PITCH: u32 = STEP + 2u;
const PARTS_ACROSS: u32 = OUTPUTS / (16u * WIDE);
// Fours of numbers that an invocation stages.
const X_LOADS: u32 = TOKENS * STEP / INVOCATIONS;
const W_LOADS: u32 = OUTPUTS * STEP / INVOCATIONS;

var<workgroup> x_tile: array<Quad, 2 * TOKENS * PITCH>;
var<workgroup> w_tile: array<Quad, 2 * OUTPUTS * PITCH>;
// A matrix of each subgroup, on its way out.
var<workgroup> out_tile: array<f32, INVOCATIONS / 32u * 256u>;

// Writes what a subgroup left in workgroup memory: the matrix in row i and column n of its own.
fn flush(subgroup: u32, lane: u32, token: u32, out: u32) {
    workgroupBarrier();
    //#unroll
    for (var i = 0u; i < 8u; i++) {
        let at = i * 32u + lane % 32u;
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
    let tile = tile_of(group);
    let token = tile.x * TOKENS;
    let out = tile.y * OUTPUTS;
    let subgroup = lane / 32u;
    let part_x = subgroup / PARTS_ACROSS * 16u * TALL;
    let part_w = subgroup % PARTS_ACROSS * 16u * WIDE;
    // An invocation always stages the same column.
    let row = lane / STEP;
    let column = lane % STEP;
    let place = row * PITCH + column;
    //#repeat i X_LOADS
    var x_next$i = x_quad(token + row + $iu * INVOCATIONS / STEP, column);
    //#end
    //#repeat i W_LOADS
    var w_next$i = w_quad(out + row + $iu * INVOCATIONS / STEP, column);
    //#end
    //#repeat i TALL
    //#repeat n WIDE
    var sum$i_$n = coop_mat16x16<f32, C>();
    //#end
    //#end
    var buffer = 0u;
    for (var k = 0u; k < params.inputs; k += STEP) {
        let x_buffer = buffer * TOKENS * PITCH;
        let w_buffer = buffer * OUTPUTS * PITCH;
        //#repeat i X_LOADS
        x_tile[x_buffer + place + $iu * INVOCATIONS / STEP * PITCH] = x_next$i;
        //#end
        //#repeat i W_LOADS
        w_tile[w_buffer + place + $iu * INVOCATIONS / STEP * PITCH] = w_next$i;
        //#end
        workgroupBarrier();
        //#repeat i X_LOADS
        x_next$i = x_quad(token + row + $iu * INVOCATIONS / STEP, k + STEP + column);
        //#end
        //#repeat i W_LOADS
        w_next$i = w_quad(out + row + $iu * INVOCATIONS / STEP, k + STEP + column);
        //#end
        //#repeat j STEP / 4u
        //#repeat i TALL
        let x$j_$i_at = x_buffer + (part_x + $iu * 16u) * PITCH + $ju * 4u;
        let x$j_$i = coopLoadT<coop_mat16x16<f16, A>>(&x_tile[x$j_$i_at], PITCH);
        //#end
        //#repeat n WIDE
        let w$j_$n_at = w_buffer + (part_w + $nu * 16u) * PITCH + $ju * 4u;
        let w$j_$n = coopLoad<coop_mat16x16<f16, B>>(&w_tile[w$j_$n_at], PITCH);
        //#repeat i TALL
        sum$i_$n = coopMultiplyAdd(x$j_$i, w$j_$n, sum$i_$n);
        //#end
        //#end
        //#end
        buffer = 1u - buffer;
    }
    let own = subgroup * 256u;
    //#repeat i TALL
    //#repeat n WIDE
    coopStoreT(sum$i_$n, &out_tile[own], 16u);
    flush(subgroup, lane, token + part_x + $iu * 16u, out + part_w + $nu * 16u);
    //#end
    //#end
}
