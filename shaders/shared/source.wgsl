// Weights of a float format, read from words.
//#include shared/f16.wgsl

// The ggml type of the source: 0 F32, 1 F16, 30 BF16.
override source: u32;

// The bits of weights 2i and 2i + 1 as F32, whatever they are.
fn weight_bits(i: u32) -> vec2u {
    switch source {
        case 1u: {
            let word = input[i];
            return vec2u(f16_decode_bits(word & 0xffffu), f16_decode_bits(word >> 16u));
        }
        case 30u: {
            let word = input[i];
            return vec2u(word << 16u, word & 0xffff0000u);
        }
        default: {
            return vec2u(input[2u * i], input[2u * i + 1u]);
        }
    }
}

// A weight that the searches can square and sum: not finite counts as 0, as does anything below 2^-36, which no f16
// scale can express; the largest is 2^40. Decided on the bits, for comparisons may flush subnormals.
fn tame(bits: u32) -> f32 {
    let magnitude = bits & 0x7fffffffu;
    let bounded = min(magnitude, 167u << 23u) | (bits & 0x80000000u);
    return bitcast<f32>(select(0u, bounded, magnitude >= (91u << 23u) && magnitude < 0x7f800000u));
}

// Weights 4i..4i + 4 for a search.
fn weights(i: u32) -> vec4f {
    let a = weight_bits(2u * i);
    let b = weight_bits(2u * i + 1u);
    return vec4f(tame(a.x), tame(a.y), tame(b.x), tame(b.y));
}
