// The search of formats with a scale and a minimum: x = scale * code + min.
// The including shader declares x, the weights of an invocation, in QUADS vectors; TOP, the largest code; KEEP_ZERO:
// whether only minimums of at most 0 can be stored; and the grid: STEPS ranges, the FIRST and by how much the next is
// longer (STRETCH), begun in turn at SHIFTS places, SHIFT apart.
// Step for step `affine` in src/quant/affine.rs.

const COUNT: f32 = f32(4u * QUADS);

// Sums over weights and codes, all that a least-squares fit needs.
struct Sums {
    l: f32,
    ll: f32,
    xl: f32,
}

// In the order of the weights.
fn add(sums: ptr<function, Sums>, v: vec4f, l: vec4f) {
    for (var i = 0u; i < 4u; i++) {
        (*sums).l += l[i];
        (*sums).ll += l[i] * l[i];
        (*sums).xl += v[i] * l[i];
    }
}

struct Fit {
    // The sum of the weights.
    x: f32,
    sums: Sums,
}

fn affine() -> Fit {
    var low = select(x[0].x, 0.0, KEEP_ZERO);
    var high = low;
    var sum = 0.0;
    for (var w = 0u; w < QUADS; w++) {
        for (var i = 0u; i < 4u; i++) {
            low = min(low, x[w][i]);
            high = max(high, x[w][i]);
            sum += x[w][i];
        }
    }
    let inverse_range = inverse(high - low);
    let above = sum - COUNT * low;
    var best: Sums;
    var gain = -1.0;
    for (var step = 0u; step < STEPS; step++) {
        let stretched = (FIRST + STRETCH * f32(step)) * inverse_range;
        let shift = SHIFT * f32(step % SHIFTS);
        var sums: Sums;
        for (var w = 0u; w < QUADS; w++) {
            let y = x[w] - low;
            let l = round(min(y * stretched - shift, vec4f(TOP)));
            add(&sums, y, l);
        }
        let covariance = COUNT * sums.xl - above * sums.l;
        let explained = covariance * covariance * inverse(COUNT * sums.ll - sums.l * sums.l);
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
    let scale = (COUNT * sums.xl - sum * sums.l) * inverse(COUNT * sums.ll - sums.l * sums.l);
    return vec2f(scale, (sum - scale * sums.l) * (1.0 / COUNT));
}

// The codes of weights 4w..4w + 4.
fn affine_codes(w: u32, inverse_scale: f32, low: f32) -> vec4f {
    return round(clamp((x[w] - low) * inverse_scale, vec4f(0.0), vec4f(TOP)));
}

fn affine_sums(inverse_scale: f32, low: f32) -> Sums {
    var sums: Sums;
    for (var w = 0u; w < QUADS; w++) {
        add(&sums, x[w], affine_codes(w, inverse_scale, low));
    }
    return sums;
}

fn affine_word(w: u32, inverse_scale: f32, low: f32) -> u32 {
    return pack4(affine_codes(w, inverse_scale, low));
}
