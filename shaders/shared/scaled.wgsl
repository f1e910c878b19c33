// The search of formats without a minimum: x = scale * level. Step for step src/quant/scaled.rs.
// The including shader declares x, the weights of an invocation, in QUADS vectors; STEPS inverse scales to try; and
// `nearest`, the level nearest to each of four.
//#include shared/extreme.wgsl

// Sums over weights x and levels q: qq and xq.
fn fit_at(inverse_scale: f32) -> vec2f {
    var fit = vec2f(0.0);
    for (var w = 0u; w < QUADS; w++) {
        let q = nearest(exact4(x[w] * inverse_scale));
        let wq = weigh(w, q);
        let wqq = exact4(wq * q);
        let wqx = exact4(wq * x[w]);
        for (var i = 0u; i < 4u; i++) {
            fit.x += wqq[i];
            fit.y += wqx[i];
        }
    }
    return fit;
}

fn scale_of(fit: vec2f) -> f32 {
    return fit.y * inverse(fit.x);
}

fn explained(fit: vec2f) -> f32 {
    return exact(exact(fit.y * fit.y) * inverse(fit.x));
}

// The best fit among the steps times the unit.
fn best_fit(unit: f32) -> vec2f {
    var best: vec2f;
    var gain = -1.0;
    for (var i = 0u; i < STEPS; i++) {
        let fit = fit_at(exact(steps[i] * unit));
        if explained(fit) > gain {
            best = fit;
            gain = explained(fit);
        }
    }
    return best;
}
