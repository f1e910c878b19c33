// The 16 weights of a sub-block, in registers; see weights32.wgsl.
//#include shared/source.wgsl

const QUADS: u32 = 4u;

var<private> x: array<vec4f, 4>;
// How much their squared errors count, where that differs.
var<private> factors_of_x: array<vec4f, 4>;

fn load(sub_block: u32) {
    let first = sub_block * 4u;
    x[0] = weights(first);
    x[1] = weights(first + 1u);
    x[2] = weights(first + 2u);
    x[3] = weights(first + 3u);
    if weighted {
        factors_of_x[0] = importance(first);
        factors_of_x[1] = importance(first + 1u);
        factors_of_x[2] = importance(first + 2u);
        factors_of_x[3] = importance(first + 3u);
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
