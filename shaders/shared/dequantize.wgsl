// Blocks to F32: 32 weights an invocation, as its `unpack` puts them, four at a time.

// The place of its weights in the output.
var<private> place: u32;

fn put(w: u32, weights: vec4f) {
    let words = bitcast<vec4u>(weights);
    let at = place + 4u * w;
    output[at] = words.x;
    output[at + 1u] = words.y;
    output[at + 2u] = words.z;
    output[at + 3u] = words.w;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    if part >= params.blocks * PARTS {
        return;
    }
    place = part * 32u;
    unpack(part);
}
