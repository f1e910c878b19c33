// Four times seven signs of a sub-block, of which the eighth follows, and its scale above them.
fn signs_and_scale(lane: u32) -> u32 {
    var bits = u32(scales[lane]) << 28u;
    for (var i = 0u; i < 4u; i++) {
        bits |= (signs[lane][i] & 127u) << (7u * i);
    }
    return bits;
}
