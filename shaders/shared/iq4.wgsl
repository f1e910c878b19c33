// The sixteen levels of IQ4_NL and IQ4_XS; see `Iq4` in src/quant/levels.rs.

const STEPS: u32 = 8u;
var<private> steps: array<f32, 8> = array<f32, 8>(-148.0, -141.0, -134.0, -127.0, -120.0, -113.0, 113.0, 123.0);

// `height` where v is above `middle`.
fn stair(v: vec4f, middle: f32, height: f32) -> vec4f {
    return select(vec4f(0.0), vec4f(height), v > vec4f(middle));
}

// The nearest level of each.
fn nearest(v: vec4f) -> vec4f {
    return vec4f(-127.0)
        + stair(v, -115.5, 23.0) + stair(v, -93.5, 21.0) + stair(v, -74.0, 18.0) + stair(v, -57.0, 16.0)
        + stair(v, -42.0, 14.0) + stair(v, -28.5, 13.0) + stair(v, -16.0, 12.0) + stair(v, -4.5, 11.0)
        + stair(v, 7.0, 12.0) + stair(v, 19.0, 12.0) + stair(v, 31.5, 13.0) + stair(v, 45.5, 15.0)
        + stair(v, 61.0, 16.0) + stair(v, 79.0, 20.0) + stair(v, 101.0, 24.0);
}

// Its number.
fn code(v: vec4f) -> vec4f {
    return stair(v, -115.5, 1.0) + stair(v, -93.5, 1.0) + stair(v, -74.0, 1.0) + stair(v, -57.0, 1.0)
        + stair(v, -42.0, 1.0) + stair(v, -28.5, 1.0) + stair(v, -16.0, 1.0) + stair(v, -4.5, 1.0)
        + stair(v, 7.0, 1.0) + stair(v, 19.0, 1.0) + stair(v, 31.5, 1.0) + stair(v, 45.5, 1.0)
        + stair(v, 61.0, 1.0) + stair(v, 79.0, 1.0) + stair(v, 101.0, 1.0);
}
