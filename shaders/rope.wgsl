// Heads are rotated by their position, in place: a pair of numbers an invocation. Twin: `rotate` in
// src/cpu/forward/rope.rs.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    // Numbers of a head, and heads of a row.
    head: u32,
    heads: u32,
    // Pairs of a head that rotate.
    pairs: u32,
    // Tokens of a chunk.
    chunk: u32,
    // Tokens before a chunk.
    past: u32,
    // 1 where neighbours are a pair.
    neighbours: u32,
}

@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
// Cosine and sine of each pair at each position.
@group(0) @binding(3) var<storage, read> turns: array<vec2f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(id, groups) * 64u + lane;
    if number >= params.count {
        return;
    }
    let head = number / params.pairs;
    let pair = number % params.pairs;
    let position = params.past + head / params.heads % params.chunk;
    let turn = turns[position * params.pairs + pair];
    let neighbours = params.neighbours == 1u;
    let a = head * params.head + select(pair, 2u * pair, neighbours);
    let b = a + select(params.pairs, 1u, neighbours);
    let x = vec2f(output[a], output[b]);
    output[a] = x.x * turn.x - x.y * turn.y;
    output[b] = x.x * turn.y + x.y * turn.x;
}
