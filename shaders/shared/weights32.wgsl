// The 32 weights of a block or sub-block, in registers.
//#include shared/source.wgsl

const QUADS: u32 = 8u;

var<private> x: array<vec4f, 8>;
// How much their squared errors count, where that differs.
var<private> factors_of_x: array<vec4f, 8>;

// Written out, for a compiler that does not unroll it keeps the weights in memory, which costs twice the time.
fn load(block: u32) {
    let first = block * 8u;
    x[0] = weights(first);
    x[1] = weights(first + 1u);
    x[2] = weights(first + 2u);
    x[3] = weights(first + 3u);
    x[4] = weights(first + 4u);
    x[5] = weights(first + 5u);
    x[6] = weights(first + 6u);
    x[7] = weights(first + 7u);
    if weighted {
        factors_of_x[0] = importance(first);
        factors_of_x[1] = importance(first + 1u);
        factors_of_x[2] = importance(first + 2u);
        factors_of_x[3] = importance(first + 3u);
        factors_of_x[4] = importance(first + 4u);
        factors_of_x[5] = importance(first + 5u);
        factors_of_x[6] = importance(first + 6u);
        factors_of_x[7] = importance(first + 7u);
    }
}

// Terms of weights 4w..4w + 4, each times its factor.
fn weigh(w: u32, terms: vec4f) -> vec4f {
    if weighted {
        return exact4(factors_of_x[w] * terms);
    }
    return terms;
}

// The sum of the factors.
fn factor_sum() -> f32 {
    if !weighted {
        return f32(4u * QUADS);
    }
    var sum = 0.0;
    for (var w = 0u; w < QUADS; w++) {
        for (var i = 0u; i < 4u; i++) {
            sum += factors_of_x[w][i];
        }
    }
    return sum;
}
