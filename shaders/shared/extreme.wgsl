// The weight of largest magnitude, with its sign.
fn extreme() -> f32 {
    var found = 0.0;
    for (var w = 0u; w < QUADS; w++) {
        for (var i = 0u; i < 4u; i++) {
            found = select(found, x[w][i], abs(x[w][i]) > abs(found));
        }
    }
    return found;
}
