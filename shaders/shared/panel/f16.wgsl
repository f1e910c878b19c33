// Weights of a panel in half precision.
fn put(w: u32, weights: vec4f) {
    let bounded = clamp(weights, vec4f(-65504.0), vec4f(65504.0));
    output[place * 16u + 2u * w] = pack2x16float(bounded.xy);
    output[place * 16u + 2u * w + 1u] = pack2x16float(bounded.zw);
}
