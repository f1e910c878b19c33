// Codes of a few bits at the places of a table; `places` in src/quant/layout.rs has how a place is written.
//#include shared/blocks.wgsl

fn bits_at(byte: u32, place: u32) -> u32 {
    let bits = (place >> 11u) & 15u;
    return (byte_at(byte + (place & 255u)) >> ((place >> 8u) & 7u)) & ((1u << bits) - 1u);
}

// The code in the block that begins at a byte.
fn code_at(byte: u32, place: u32) -> u32 {
    return bits_at(byte, place) | (bits_at(byte, place >> 15u) << ((place >> 11u) & 15u));
}

// The number that a code stands for: with a bias, or as two's complement.
fn whole_at(byte: u32, place: u32, bias: i32, high: i32) -> f32 {
    let value = i32(code_at(byte, place)) - bias;
    let bits = ((place >> 11u) & 15u) + ((place >> 26u) & 15u);
    return f32(select(value, value - (1i << bits), value > high));
}
