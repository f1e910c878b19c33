// The search of formats with a scale and a minimum: x = scale * code + min.
// The including shader declares x, the weights of an invocation, in QUADS vectors; TOP, the largest code; KEEP_ZERO:
// whether only minimums of at most 0 can be stored; and the grid: STEPS ranges, the FIRST and by how much the next is
// longer (STRETCH), begun in turn at SHIFTS places, SHIFT apart.
// Step for step `affine` in src/quant/affine.rs.

// Sums over factors, weights and codes, all that a least-squares fit needs.
struct Sums {
    n: f32,
    x: f32,
    l: f32,
    ll: f32,
    xl: f32,
}

// Adds codes of weights 4w..4w + 4, which are v, in their order.
fn add(sums: ptr<function, Sums>, w: u32, v: vec4f, l: vec4f) {
    let wl = weigh(w, l);
    let wll = exact4(wl * l);
    let wlv = exact4(wl * v);
    for (var i = 0u; i < 4u; i++) {
        (*sums).l += wl[i];
        (*sums).ll += wll[i];
        (*sums).xl += wlv[i];
    }
}

// n squared times the variance of the codes; 0 where it is lost in rounding, for then all codes are the same.
fn spread(sums: Sums) -> f32 {
    let square = exact(sums.n * sums.ll);
    let found = square - exact(sums.l * sums.l);
    return select(0.0, found, found > square * (1.0 / 1048576.0));
}

fn affine() -> Sums {
    var low = select(x[0].x, 0.0, KEEP_ZERO);
    var high = low;
    var best: Sums;
    best.n = factor_sum();
    for (var w = 0u; w < QUADS; w++) {
        let wx = weigh(w, x[w]);
        for (var i = 0u; i < 4u; i++) {
            low = min(low, x[w][i]);
            high = max(high, x[w][i]);
            best.x += wx[i];
        }
    }
    let inverse_range = inverse(high - low);
    let above = best.x - exact(best.n * low);
    var gain = -1.0;
    for (var step = 0u; step < STEPS; step++) {
        let stretched = exact((FIRST + exact(STRETCH * f32(step))) * inverse_range);
        let shift = SHIFT * f32(step % SHIFTS);
        var sums = Sums(best.n, best.x, 0.0, 0.0, 0.0);
        for (var w = 0u; w < QUADS; w++) {
            let y = x[w] - low;
            add(&sums, w, y, round(clamp(exact4(y * stretched) - shift, vec4f(0.0), vec4f(TOP))));
        }
        let covariance = exact(sums.n * sums.xl) - exact(above * sums.l);
        let explained = exact(exact(covariance * covariance) * inverse(spread(sums)));
        if explained > gain {
            best = sums;
            gain = explained;
        }
    }
    best.xl += exact(low * best.l);
    return best;
}

// The scale and minimum that leave the least error for given codes.
fn least_squares(sums: Sums) -> vec2f {
    let scale = (exact(sums.n * sums.xl) - exact(sums.x * sums.l)) * inverse(spread(sums));
    return vec2f(scale, (sums.x - exact(scale * sums.l)) * inverse(sums.n));
}

// The codes of weights 4w..4w + 4.
fn affine_codes(w: u32, inverse_scale: f32, low: f32) -> vec4f {
    return round(clamp(exact4((x[w] - low) * inverse_scale), vec4f(0.0), vec4f(TOP)));
}

// The same sums with the codes of another scale and minimum.
fn affine_sums(sums: Sums, inverse_scale: f32, low: f32) -> Sums {
    var next = Sums(sums.n, sums.x, 0.0, 0.0, 0.0);
    for (var w = 0u; w < QUADS; w++) {
        add(&next, w, x[w], affine_codes(w, inverse_scale, low));
    }
    return next;
}

fn affine_word(w: u32, inverse_scale: f32, low: f32) -> u32 {
    return pack4(affine_codes(w, inverse_scale, low));
}
