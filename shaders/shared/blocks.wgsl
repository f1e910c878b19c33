// Blocks of any even number of bytes, read from words.
//#include shared/f16.wgsl

// The 16 bits at an even byte.
fn half_at(byte: u32) -> u32 {
    return (input[byte >> 2u] >> ((byte & 2u) << 3u)) & 0xffffu;
}

fn byte_at(byte: u32) -> u32 {
    return (input[byte >> 2u] >> ((byte & 3u) << 3u)) & 0xffu;
}

// The word at an even byte.
fn word_at(byte: u32) -> u32 {
    return half_at(byte) | (half_at(byte + 2u) << 16u);
}

// The word at any byte.
fn bytes_at(byte: u32) -> u32 {
    let shift = (byte & 3u) << 3u;
    let word = input[byte >> 2u] >> shift;
    if shift == 0u {
        return word;
    }
    return word | (input[(byte >> 2u) + 1u] << (32u - shift));
}

// The f16 at an even byte.
fn scale_at(byte: u32) -> f32 {
    return f16_decode(half_at(byte));
}

fn byte_of(word: u32, i: u32) -> u32 {
    return (word >> (8u * i)) & 0xffu;
}
