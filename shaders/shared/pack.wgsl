// Codes to bytes, four to a word.

// Four codes (0..=255), first in the lowest byte.
fn pack4(a: f32, b: f32, c: f32, d: f32) -> u32 {
    return u32(i32(a)) | (u32(i32(b)) << 8u) | (u32(i32(c)) << 16u) | (u32(i32(d)) << 24u);
}

// The lowest bits of a word's four bytes, side by side.
fn gather_bits(word: u32) -> u32 {
    return (((word & 0x01010101u) * 0x01020408u) >> 24u) & 15u;
}
