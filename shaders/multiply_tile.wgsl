// Rows times a matrix, by tiles of 128 tokens and 128 outputs that a workgroup stages in its memory; 8 by 8 an
// invocation, summed in single precision.
//#include shared/number/{number}.wgsl
//#include shared/multiply.wgsl

const TILE: u32 = 128u;
// Fours of numbers that are staged at a time.
const STEP: u32 = 4u;

// Numbers of the same place in their rows, row after row.
var<workgroup> x_tile: array<Quad, STEP * TILE>;
var<workgroup> w_tile: array<Quad, STEP * TILE>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups);
    if group >= params.count {
        return;
    }
    let tile = tile_of(group);
    let token = tile.x * TILE;
    let out = tile.y * TILE;
    let mine_x = lane / 16u;
    let mine_w = lane % 16u;
    var sums: array<vec4f, 16>;
    for (var k = 0u; k < params.inputs; k += STEP) {
        for (var i = lane; i < STEP * TILE; i += 256u) {
            let row = i / STEP;
            let place = i % STEP * TILE + row / 4u;
            let x = x_quad(token + row, k + i % STEP);
            let w = w_quad(out + row, k + i % STEP);
            //#unroll
            for (var j = 0u; j < 4u; j++) {
                x_tile[place + j * TILE / 4u][row % 4u] = x[j];
                w_tile[place + j * TILE / 4u][row % 4u] = w[j];
            }
        }
        workgroupBarrier();
        for (var j = 0u; j < 4u * STEP; j++) {
            let w0 = vec4f(w_tile[j * TILE / 4u + mine_w]);
            let w1 = vec4f(w_tile[j * TILE / 4u + 16u + mine_w]);
            let x0 = vec4f(x_tile[j * TILE / 4u + mine_x]);
            let x1 = vec4f(x_tile[j * TILE / 4u + 16u + mine_x]);
            //#unroll
            for (var i = 0u; i < 4u; i++) {
                sums[2u * i] += x0[i] * w0;
                sums[2u * i + 1u] += x0[i] * w1;
                sums[2u * i + 8u] += x1[i] * w0;
                sums[2u * i + 9u] += x1[i] * w1;
            }
        }
        workgroupBarrier();
    }
    //#unroll
    for (var i = 0u; i < 8u; i++) {
        let own = token + i / 4u * 64u + 4u * mine_x + i % 4u;
        //#unroll
        for (var j = 0u; j < 4u; j++) {
            store(own, out + 4u * mine_w + j, sums[2u * i][j]);
            store(own, out + 64u + 4u * mine_w + j, sums[2u * i + 1u][j]);
        }
    }
}
