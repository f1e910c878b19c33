// Attention of 32 queries of a head to the keys before them in their chunk, for up to 128 columns of the values: a
// workgroup. Keys are looked at 32 at a time with a running maximum, so scores need no memory but the workgroup's. An
// invocation has four queries: of each the products with four of the keys, and four fours of columns. Twin:
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
    // Tokens before a chunk, whose keys and values come first; tokens of a chunk, and blocks of 32 queries in it.
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

const QUERIES: u32 = 32u;
const KEYS: u32 = 32u;
// Queries that are next to each other in a workgroup, and invocations that share a query.
const ROWS: u32 = 8u;
const LANES: u32 = 8u;
const LEAST: f32 = -3.0e38;

// Fours of numbers of heads that are staged at a time, and from row to row of them, so that banks differ.
const FOURS: u32 = 16u;
const PITCH: u32 = FOURS + 1u;
const SHARES: u32 = KEYS + 1u;

var<workgroup> q_tile: array<vec4f, QUERIES * PITCH>;
// Of keys, and then of values.
var<workgroup> k_tile: array<vec4f, KEYS * PITCH>;
var<workgroup> shares: array<f32, QUERIES * SHARES>;
// The largest score that each invocation found for a query.
var<workgroup> peaks: array<f32, QUERIES * LANES>;

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
    let column = four + invocation % FOURS;
    //#unroll
    for (var i = 0u; i < 8u; i++) {
        let row = i * 4u + invocation / FOURS;
        let query = text.begin + row;
        var x = vec4f(0.0);
        if query < params.chunk && column < params.key {
            x = queries[((text.queries + query) * params.heads + text.head) * params.key + column];
        }
        q_tile[row * PITCH + invocation % FOURS] = x;
        let key = tile + row;
        var y = vec4f(0.0);
        if key < text.last && column < params.key {
            y = keys[((text.keys + key) * params.kv_heads + text.kv_head) * params.key + column];
        }
        k_tile[row * PITCH + invocation % FOURS] = y;
    }
}

// Stages fours of columns of the values, from `four` on.
fn stage_values(text: Text, tile: u32, four: u32, invocation: u32) {
    let column = four + invocation % FOURS;
    //#unroll
    for (var i = 0u; i < 8u; i++) {
        let row = i * 4u + invocation / FOURS;
        let key = tile + row;
        var x = vec4f(0.0);
        if key < text.last && column < params.value {
            x = values[((text.keys + key) * params.kv_heads + text.kv_head) * params.value + column];
        }
        k_tile[row * PITCH + invocation % FOURS] = x;
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
    let last = params.past + min(begin + QUERIES, params.chunk);
    let seen = params.past + begin + 1u;
    let start = select(0u, seen - params.window, seen > params.window) / KEYS * KEYS;
    let kv_head = head / (params.heads / params.kv_heads);
    let place = Text(text, keys_text, begin, last, head, kv_head);
    var slope = 0.0;
    if params.sloped == 1u {
        slope = of_heads[head];
    }
    var most = LEAST;
    var all = 0.0;
    if params.sunk == 1u {
        most = of_heads[params.heads + head];
        all = 1.0;
    }
    //#repeat i 4
    // Beyond the chunk's last query another is computed again, and not written.
    let query$i = params.past + min(begin + row + $iu * ROWS, params.chunk - 1u);
    let seen_from$i = select(0u, query$i + 1u - params.window, query$i + 1u > params.window);
    var most$i = most;
    var all$i = all;
    //#repeat c 4
    var sum$i_$c = vec4f();
    //#end
    //#end
    for (var tile = start; tile < last; tile += KEYS) {
        //#repeat i 4
        //#repeat n 4
        var score$i_$n = 0.0;
        //#end
        //#end
        for (var four = 0u; four < params.key; four += FOURS) {
            stage(place, tile, four, invocation);
            workgroupBarrier();
            for (var d = 0u; d < min(FOURS, params.key - four); d++) {
                //#repeat i 4
                let q$i = q_tile[(row + $iu * ROWS) * PITCH + d];
                //#end
                //#repeat n 4
                let k$n = k_tile[($nu * LANES + lane) * PITCH + d];
                //#repeat i 4
                score$i_$n += dot(q$i, k$n);
                //#end
                //#end
            }
            workgroupBarrier();
        }
        //#repeat i 4
        var peak$i = LEAST;
        //#repeat n 4
        {
            let key = tile + $nu * LANES + lane;
            var score = LEAST;
            if key <= query$i && key >= seen_from$i {
                score = score$i_$n * params.scale;
                if params.softcap > 0.0 {
                    score = params.softcap * hyperbolic_tangent(score / params.softcap);
                }
                score -= slope * f32(query$i - key);
            }
            score$i_$n = score;
            peak$i = max(peak$i, score);
        }
        //#end
        peaks[(row + $iu * ROWS) * LANES + lane] = peak$i;
        //#end
        workgroupBarrier();
        //#repeat i 4
        var tile_most$i = most$i;
        //#unroll
        for (var l = 0u; l < LANES; l++) {
            tile_most$i = max(tile_most$i, peaks[(row + $iu * ROWS) * LANES + l]);
        }
        //#repeat n 4
        shares[(row + $iu * ROWS) * SHARES + $nu * LANES + lane] =
            select(exp(score$i_$n - tile_most$i), 0.0, score$i_$n == LEAST);
        //#end
        let fade$i = exp(most$i - tile_most$i);
        most$i = tile_most$i;
        all$i *= fade$i;
        //#repeat c 4
        sum$i_$c *= fade$i;
        //#end
        //#end
        let keys_here = min(KEYS, last - tile);
        if (part * 2u + 0u) * FOURS < params.value {
            stage_values(place, tile, (part * 2u + 0u) * FOURS, invocation);
            workgroupBarrier();
            for (var n = 0u; n < keys_here; n++) {
                let v0 = k_tile[n * PITCH + lane];
                let v1 = k_tile[n * PITCH + LANES + lane];
                //#repeat i 4
                let share$i = shares[(row + $iu * ROWS) * SHARES + n];
                all$i += share$i;
                sum$i_0 += share$i * v0;
                sum$i_1 += share$i * v1;
                //#end
            }
            workgroupBarrier();
        }
        if (part * 2u + 1u) * FOURS < params.value {
            stage_values(place, tile, (part * 2u + 1u) * FOURS, invocation);
            workgroupBarrier();
            for (var n = 0u; n < keys_here; n++) {
                let v0 = k_tile[n * PITCH + lane];
                let v1 = k_tile[n * PITCH + LANES + lane];
                //#repeat i 4
                let share$i = shares[(row + $iu * ROWS) * SHARES + n];
                sum$i_2 += share$i * v0;
                sum$i_3 += share$i * v1;
                //#end
            }
            workgroupBarrier();
        }
    }
    //#repeat i 4
    if begin + row + $iu * ROWS < params.chunk {
        let to = ((text + begin + row + $iu * ROWS) * params.heads + head) * params.value;
        //#repeat c 4
        if part * 32u + $cu * LANES + lane < params.value {
            output[to + part * 32u + $cu * LANES + lane] = sum$i_$c / all$i;
        }
        //#end
    }
    //#end
}
