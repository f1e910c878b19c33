// The search of formats with a signed scale and no minimum: x = scale * (code - HALF).
// The including shader declares HALF, half the number of codes, and x, the weights that share a scale, in QUADS
// vectors.
// Step for step `symmetric` in src/quant/search.rs.

const STEPS: u32 = 8u;
// One constant, for compilers may regroup a sum of two and a variable.
const FIRST: f32 = HALF - 2.5f;
const STRETCH_STEP: f32 = 0.5;

// Sums over weights and codes, all that a least-squares fit needs.
struct Sums {
    ll: f32,
    xl: f32,
}

// The codes of weights 4w..4w + 4.
fn symmetric_codes(w: u32, inverse_scale: f32) -> vec4f {
    return round(clamp(x[w] * inverse_scale, vec4f(-HALF), vec4f(HALF - 1.0)));
}

// In the order of the weights.
fn symmetric_sums(inverse_scale: f32) -> Sums {
    var sums: Sums;
    for (var w = 0u; w < QUADS; w++) {
        let l = symmetric_codes(w, inverse_scale);
        for (var i = 0u; i < 4u; i++) {
            sums.ll += l[i] * l[i];
            sums.xl += x[w][i] * l[i];
        }
    }
    return sums;
}

fn symmetric() -> Sums {
    var size = 0.0;
    var extreme = 0.0;
    for (var w = 0u; w < QUADS; w++) {
        for (var i = 0u; i < 4u; i++) {
            extreme = select(extreme, x[w][i], abs(x[w][i]) > size);
            size = max(size, abs(x[w][i]));
        }
    }
    let inverse_extreme = inverse(-extreme);
    var best: Sums;
    var gain = -1.0;
    for (var step = 0u; step < STEPS; step++) {
        let sums = symmetric_sums((FIRST + STRETCH_STEP * f32(step)) * inverse_extreme);
        let explained = sums.xl * sums.xl * inverse(sums.ll);
        if explained > gain {
            best = sums;
            gain = explained;
        }
    }
    return best;
}

// The same, offset so that none is negative, in a word.
fn symmetric_word(w: u32, inverse_scale: f32) -> u32 {
    return pack4(symmetric_codes(w, inverse_scale) + HALF);
}
