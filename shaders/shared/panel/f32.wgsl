// Weights of a panel in single precision.
fn put(w: u32, weights: vec4f) {
    let words = bitcast<vec4u>(weights);
    let at = place * 32u + 4u * w;
    output[at] = words.x;
    output[at + 1u] = words.y;
    output[at + 2u] = words.z;
    output[at + 3u] = words.w;
}
