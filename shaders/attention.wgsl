// Attention of 8 queries of a head to the keys before them in their chunk, for up to 128 columns of the values: a
// workgroup. Keys are looked at 32 at a time with a running maximum, so scores need no memory but the workgroup's. Twin:
// src/cpu/forward/attention.rs.
//#include shared/forward.wgsl
//#include shared/activation.wgsl

struct Params {
    first: u32,
    count: u32,
    heads: u32,
    kv_heads: u32,
    // Fours of numbers in a query or key head, and in a value head.
    key: u32,
    value: u32,
    // Tokens before a chunk, whose keys and values come first; tokens of a chunk, and blocks of 8 queries in it.
    past: u32,
    chunk: u32,
    blocks: u32,
    // Of 128 columns of the values.
    parts: u32,
    // Tokens that a query sees, itself included.
    window: u32,
    scale: f32,
    // 0 where there is none.
    softcap: f32,
    // Whether there is what each head's scores fall by with distance, and whether there are sinks.
    sloped: u32,
    sunk: u32,
}

@group(0) @binding(0) var<storage, read> queries: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<vec4f>;
// Slopes of the heads, then their sinks.
@group(0) @binding(5) var<storage, read> of_heads: array<f32>;

const QUERIES: u32 = 8u;
const LANES: u32 = 8u;
const KEYS: u32 = 32u;
const LEAST: f32 = -3.0e38;

// Fours of numbers of heads that are staged at a time, and from row to row of them, so that banks differ.
const FOURS: u32 = 32u;
const PITCH: u32 = FOURS + 1u;

var<workgroup> q_tile: array<vec4f, QUERIES * PITCH>;
var<workgroup> k_tile: array<vec4f, KEYS * PITCH>;
var<workgroup> shares: array<f32, QUERIES * KEYS>;

// Where the rows of the head's queries and keys begin in this chunk.
struct Text {
    queries: u32,
    keys: u32,
    begin: u32,
    last: u32,
    head: u32,
    kv_head: u32,
}

// Stages fours of numbers from `four` on: of the queries, and of the keys from `tile` on; zeros beyond them.
fn stage(text: Text, tile: u32, four: u32, invocation: u32) {
    for (var i = invocation; i < QUERIES * FOURS; i += 64u) {
        let query = text.begin + i / FOURS;
        var x = vec4f(0.0);
        if query < params.chunk && four + i % FOURS < params.key {
            x = queries[((text.queries + query) * params.heads + text.head) * params.key + four + i % FOURS];
        }
        q_tile[i / FOURS * PITCH + i % FOURS] = x;
    }
    for (var i = invocation; i < KEYS * FOURS; i += 64u) {
        let key = tile + i / FOURS;
        var x = vec4f(0.0);
        if key < text.last && four + i % FOURS < params.key {
            x = keys[((text.keys + key) * params.kv_heads + text.kv_head) * params.key + four + i % FOURS];
        }
        k_tile[i / FOURS * PITCH + i % FOURS] = x;
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let group = group_number(id, groups);
    if group >= params.count {
        return;
    }
    let part = group % params.parts;
    let head = group / params.parts % params.heads;
    let block = group / params.parts / params.heads;
    let text = block / params.blocks * params.chunk;
    let keys_text = block / params.blocks * (params.past + params.chunk);
    let begin = block % params.blocks * QUERIES;
    let row = invocation / LANES;
    let lane = invocation % LANES;
    let own = begin + row;
    // Beyond the chunk's last query another is computed again, and not written.
    let query_row = min(own, params.chunk - 1u);
    let query = params.past + query_row;
    let last = params.past + min(begin + QUERIES, params.chunk);
    let seen = params.past + begin + 1u;
    let start = select(0u, seen - params.window, seen > params.window) / KEYS * KEYS;
    let seen_from = select(0u, query + 1u - params.window, query + 1u > params.window);
    let kv_head = head / (params.heads / params.kv_heads);
    let place = Text(text, keys_text, begin, last, head, kv_head);
    let v = (keys_text * params.kv_heads + kv_head) * params.value;
    var slope = 0.0;
    if params.sloped == 1u {
        slope = of_heads[head];
    }
    var sums: array<vec4f, 4>;
    var most = LEAST;
    var all = 0.0;
    if params.sunk == 1u {
        most = of_heads[params.heads + head];
        all = 1.0;
    }
    for (var tile = start; tile < last; tile += KEYS) {
        var products: array<vec4f, 4>;
        for (var four = 0u; four < params.key; four += FOURS) {
            stage(place, tile, four, invocation);
            workgroupBarrier();
            for (var d = 0u; d < min(FOURS, params.key - four); d++) {
                let q = q_tile[row * PITCH + d];
                //#unroll
                for (var n = 0u; n < 4u; n++) {
                    products[n] += q * k_tile[(n * LANES + lane) * PITCH + d];
                }
            }
            workgroupBarrier();
        }
        //#unroll
        for (var n = 0u; n < 4u; n++) {
            let key = tile + n * LANES + lane;
            var score = LEAST;
            if key <= query && key >= seen_from {
                score = dot(products[n], vec4f(1.0)) * params.scale;
                if params.softcap > 0.0 {
                    score = params.softcap * hyperbolic_tangent(score / params.softcap);
                }
                score -= slope * f32(query - key);
            }
            shares[row * KEYS + n * LANES + lane] = score;
        }
        workgroupBarrier();
        var tile_most = most;
        for (var i = 0u; i < KEYS; i++) {
            tile_most = max(tile_most, shares[row * KEYS + i]);
        }
        workgroupBarrier();
        for (var i = lane; i < KEYS; i += LANES) {
            let score = shares[row * KEYS + i];
            shares[row * KEYS + i] = select(exp(score - tile_most), 0.0, score == LEAST);
        }
        workgroupBarrier();
        let fade = exp(most - tile_most);
        most = tile_most;
        all *= fade;
        //#unroll
        for (var c = 0u; c < 4u; c++) {
            sums[c] *= fade;
        }
        let keys_here = min(KEYS, last - tile);
        for (var i = 0u; i < keys_here; i++) {
            let share = shares[row * KEYS + i];
            all += share;
            let at = v + (tile + i) * params.kv_heads * params.value;
            //#unroll
            for (var c = 0u; c < 4u; c++) {
                let column = part * 32u + c * LANES + lane;
                if column < params.value {
                    sums[c] += share * values[at + column];
                }
            }
        }
        workgroupBarrier();
    }
    if own < params.chunk {
        let to = ((text + own) * params.heads + head) * params.value;
        //#unroll
        for (var c = 0u; c < 4u; c++) {
            let column = part * 32u + c * LANES + lane;
            if column < params.value {
                output[to + column] = sums[c] / all;
            }
        }
    }
}
