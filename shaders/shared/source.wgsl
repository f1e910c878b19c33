// Weights of a float format, read from words.
//#include shared/exact.wgsl
//#include shared/f16.wgsl

// The ggml type of the source: 0 F32, 1 F16, 30 BF16.
override source: u32;

// Whether weights differ in importance: then `factors` has how much each column's squared errors count.
override weighted: bool = false;
@group(0) @binding(3) var<storage, read> factors: array<u32>;

// As `Weight::load` in src/quant/weight.rs: none below 2^-20, nor above 2^11.
fn factor(column: u32) -> f32 {
    let bits = factors[column];
    let usable = bits > (107u << 23u) && bits < 0x7f800000u;
    return bitcast<f32>(select(107u << 23u, min(bits, 138u << 23u), usable));
}

// Whether the search takes its time; `Effort` in src/quant/search.rs.
override best: bool = false;

// Rounds of fitting what sub-blocks store and the super-block's scales to one another.
fn super_rounds() -> u32 {
    return select(1u, 4u, best);
}

// The factors of weights 4i..4i + 4, which are in one row.
fn importance(i: u32) -> vec4f {
    let column = (params.first + 4u * i) % params.columns;
    return vec4f(factor(column), factor(column + 1u), factor(column + 2u), factor(column + 3u));
}

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
