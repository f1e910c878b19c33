// The levels of MXFP4 and NVFP4; see `Fp4` in src/quant/levels.rs.

// `height` where v is above `middle`.
fn stair(v: vec4f, middle: f32, height: f32) -> vec4f {
    return select(vec4f(0.0), vec4f(height), v > vec4f(middle));
}

// The nearest level of each.
fn nearest(v: vec4f) -> vec4f {
    let m = abs(v);
    let level = stair(m, 0.5, 1.0) + stair(m, 1.5, 1.0) + stair(m, 2.5, 1.0) + stair(m, 3.5, 1.0)
        + stair(m, 5.0, 2.0) + stair(m, 7.0, 2.0) + stair(m, 10.0, 4.0);
    return select(level, -level, v < vec4f(0.0));
}

// Its number; 0 has no sign.
fn code(v: vec4f) -> vec4f {
    let m = abs(v);
    let number = stair(m, 0.5, 1.0) + stair(m, 1.5, 1.0) + stair(m, 2.5, 1.0) + stair(m, 3.5, 1.0)
        + stair(m, 5.0, 1.0) + stair(m, 7.0, 1.0) + stair(m, 10.0, 1.0);
    return number + select(vec4f(0.0), vec4f(8.0), (v < vec4f(0.0)) & (number > vec4f(0.0)));
}

// The squared error of the weights at a scale.
fn error_at(scale: f32) -> f32 {
    let inverse_scale = inverse(scale);
    var error = 0.0;
    for (var w = 0u; w < QUADS; w++) {
        let rest = x[w] - exact4(scale * nearest(exact4(x[w] * inverse_scale)));
        let squares = weigh(w, exact4(rest * rest));
        for (var i = 0u; i < 4u; i++) {
            error += squares[i];
        }
    }
    return error;
}
