// Codes to bytes, four to a word, and words to a stream that may begin in the middle of one.

// Four codes (0..=255), first in the lowest byte.
fn pack4(codes: vec4f) -> u32 {
    let bytes = vec4u(vec4i(codes)) << vec4u(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}

// The lowest bits of a word's four bytes, side by side.
fn gather_bits(word: u32) -> u32 {
    return (((word & 0x01010101u) * 0x01020408u) >> 24u) & 15u;
}

// The next word to write, and the half that waits for its other half. Blocks of 4n + 2 bytes are written in pairs by
// one invocation, so that no two of them write the same word.
var<private> at: u32;
var<private> carry: u32;
var<private> half_full: bool;

fn put(word: u32) {
    output[at] = select(word, carry | (word << 16u), half_full);
    carry = word >> 16u;
    at++;
}

fn put_half(half: u32) {
    if half_full {
        output[at] = carry | (half << 16u);
        at++;
    }
    carry = half;
    half_full = !half_full;
}

// Writes a last lone half.
fn finish() {
    if half_full {
        output[at] = carry;
    }
}
