// How much a number counts by itself, as the bits of a float that is not negative. What is not finite counts as 0.
fn score(number: f32, factor: f32) -> u32 {
    let bits = bitcast<u32>(abs(number) * factor) & 0x7fffffffu;
    return select(bits, 0u, bits >= 0x7f800000u);
}
