// Four weights: the scale times values of a point from `at` on, negated where their bits of the signs say so.
fn point_weights(scale: f32, point: u32, at: u32, signs: u32) -> vec4f {
    var weights: vec4f;
    for (var i = 0u; i < 4u; i++) {
        let value = scale * point_value(point, at + i);
        weights[i] = select(value, -value, ((signs >> (at + i)) & 1u) == 1u);
    }
    return weights;
}

// Eight signs from seven (the low bits): their number is even.
fn eight_signs(bits: u32) -> u32 {
    let seven = bits & 127u;
    return seven | ((countOneBits(seven) & 1u) << 7u);
}
