// The search of formats with a signed scale and no minimum: x = scale * (code - HALF).
// The including shader declares HALF, half the number of codes, and COUNT, the weights that share a scale.
// Step for step `symmetric` in src/quant/search.rs.

const STEPS: u32 = 8u;
// One constant, for compilers may regroup a sum of two and a variable.
const FIRST: f32 = HALF - 2.5f;
const STRETCH_STEP: f32 = 0.5;

var<private> x: array<f32, COUNT>;

// Sums over weights and codes, all that a least-squares fit needs.
struct Sums {
    ll: f32,
    xl: f32,
}

fn load(sub_block: u32) {
    for (var i = 0u; i < COUNT / 2u; i++) {
        let pair = weights(sub_block * (COUNT / 2u) + i);
        x[2u * i] = pair.x;
        x[2u * i + 1u] = pair.y;
    }
}

fn symmetric_code(v: f32, inverse_scale: f32) -> f32 {
    return round(clamp(v * inverse_scale, -HALF, HALF - 1.0));
}

fn symmetric_sums(inverse_scale: f32) -> Sums {
    var sums: Sums;
    for (var i = 0u; i < COUNT; i++) {
        let l = symmetric_code(x[i], inverse_scale);
        sums.ll += l * l;
        sums.xl += x[i] * l;
    }
    return sums;
}

fn symmetric() -> Sums {
    var size = 0.0;
    var extreme = 0.0;
    for (var i = 0u; i < COUNT; i++) {
        extreme = select(extreme, x[i], abs(x[i]) > size);
        size = max(size, abs(x[i]));
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

// The codes of weights 4w..4w + 4, offset so that none is negative.
fn symmetric_word(w: u32, inverse_scale: f32) -> u32 {
    return pack4(
        symmetric_code(x[4u * w], inverse_scale) + HALF,
        symmetric_code(x[4u * w + 1u], inverse_scale) + HALF,
        symmetric_code(x[4u * w + 2u], inverse_scale) + HALF,
        symmetric_code(x[4u * w + 3u], inverse_scale) + HALF,
    );
}
