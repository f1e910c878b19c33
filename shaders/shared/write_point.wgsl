// Writes a weight: the scale times its value of a point, negated where its bit of the signs says so.
fn write_weight(i: u32, scale: f32, point: u32, at: u32, signs: u32) {
    let value = scale * point_value(point, at);
    write(i, select(value, -value, ((signs >> at) & 1u) == 1u));
}

// Eight signs from seven (the low bits): their number is even.
fn eight_signs(bits: u32) -> u32 {
    let seven = bits & 127u;
    return seven | ((countOneBits(seven) & 1u) << 7u);
}
