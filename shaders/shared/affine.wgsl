// The search of formats with a scale and a minimum: x = scale * code + min, for 32 weights an invocation.
// The including shader declares TOP, the largest code, and KEEP_ZERO: whether only minimums of at most 0 can be stored.
// Step for step `affine` in src/quant/search.rs.

const STEPS: u32 = 8u;
// One constant, for compilers may regroup a sum of two and a variable.
const FIRST: f32 = TOP - 0.875f;
const STRETCH_STEP: f32 = 0.25;
const SHIFT: f32 = 0.375;

var<private> x: array<f32, 32>;

// Sums over weights and codes, all that a least-squares fit needs.
struct Sums {
    l: f32,
    ll: f32,
    xl: f32,
}

fn load(sub_block: u32) {
    for (var i = 0u; i < 16u; i++) {
        let pair = weights(sub_block * 16u + i);
        x[2u * i] = pair.x;
        x[2u * i + 1u] = pair.y;
    }
}

struct Fit {
    // The sum of the weights.
    x: f32,
    sums: Sums,
}

fn affine() -> Fit {
    var low = select(x[0], 0.0, KEEP_ZERO);
    var high = low;
    var sum = 0.0;
    for (var i = 0u; i < 32u; i++) {
        low = min(low, x[i]);
        high = max(high, x[i]);
        sum += x[i];
    }
    let inverse_range = inverse(high - low);
    let above = sum - 32.0 * low;
    var best: Sums;
    var gain = -1.0;
    for (var step = 0u; step < STEPS; step++) {
        let stretched = (FIRST + STRETCH_STEP * f32(step)) * inverse_range;
        let shift = select(0.0, SHIFT, (step & 1u) == 1u);
        var sums: Sums;
        for (var i = 0u; i < 32u; i++) {
            let y = x[i] - low;
            let l = round(min(y * stretched - shift, TOP));
            sums.l += l;
            sums.ll += l * l;
            sums.xl += y * l;
        }
        let covariance = 32.0 * sums.xl - above * sums.l;
        let explained = covariance * covariance * inverse(32.0 * sums.ll - sums.l * sums.l);
        if explained > gain {
            best = sums;
            gain = explained;
        }
    }
    best.xl += low * best.l;
    return Fit(sum, best);
}

// The scale and minimum that leave the least error for given codes.
fn least_squares(sums: Sums, sum: f32) -> vec2f {
    let scale = (32.0 * sums.xl - sum * sums.l) * inverse(32.0 * sums.ll - sums.l * sums.l);
    return vec2f(scale, (sum - scale * sums.l) * (1.0 / 32.0));
}

fn affine_code(v: f32, inverse_scale: f32, low: f32) -> f32 {
    return round(clamp((v - low) * inverse_scale, 0.0, TOP));
}

fn affine_sums(inverse_scale: f32, low: f32) -> Sums {
    var sums: Sums;
    for (var i = 0u; i < 32u; i++) {
        let l = affine_code(x[i], inverse_scale, low);
        sums.l += l;
        sums.ll += l * l;
        sums.xl += x[i] * l;
    }
    return sums;
}

// The codes of weights 4w..4w + 4.
fn affine_word(w: u32, inverse_scale: f32, low: f32) -> u32 {
    return pack4(
        affine_code(x[4u * w], inverse_scale, low),
        affine_code(x[4u * w + 1u], inverse_scale, low),
        affine_code(x[4u * w + 2u], inverse_scale, low),
        affine_code(x[4u * w + 3u], inverse_scale, low),
    );
}
