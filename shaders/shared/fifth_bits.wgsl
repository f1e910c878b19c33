// Four codes of five bits: the low nibbles of a word's bytes, and a bit each of `high`.
fn low_codes(nibbles: u32, high: u32) -> vec4u {
    return unpack4xU8(nibbles & 0x0f0f0f0fu) | (((vec4u(high) >> vec4u(0u, 1u, 2u, 3u)) & vec4u(1u)) << vec4u(4u));
}
