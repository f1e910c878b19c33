// Blocks of GROUP invocations of 32 weights that share a scale: x = scale * level.
// Step for step `blocks` in src/quant/scaled.rs; the including shader declares what scaled.wgsl asks for, too.
//#include shared/scaled.wgsl

// Of each invocation: its extreme weight and its sum of magnitudes; its fit at each step.
var<workgroup> extremes: array<vec2f, WORKGROUP>;
var<workgroup> fits: array<array<vec2f, WORKGROUP>, STEPS>;

// The block's extreme weight and its sum of magnitudes.
fn block_extreme(lane: u32) -> vec2f {
    var sum = 0.0;
    for (var w = 0u; w < QUADS; w++) {
        for (var i = 0u; i < 4u; i++) {
            sum += abs(x[w][i]);
        }
    }
    extremes[lane] = vec2f(extreme(), sum);
    workgroupBarrier();
    let first = lane & ~(GROUP - 1u);
    var found = vec2f(0.0);
    for (var i = first; i < first + GROUP; i++) {
        found.x = select(found.x, extremes[i].x, abs(extremes[i].x) > abs(found.x));
        found.y += extremes[i].y;
    }
    return found;
}

// The block's fit at a step, from those of its invocations.
fn block_fit(lane: u32, step: u32) -> vec2f {
    let first = lane & ~(GROUP - 1u);
    var fit = vec2f(0.0);
    for (var i = first; i < first + GROUP; i++) {
        fit += fits[step][i];
    }
    return fit;
}

// The f16 bits of the block's scale; the inverse scales to try are in `inverses`.
fn block_scale(lane: u32, inverses: ptr<function, array<f32, STEPS>>) -> u32 {
    for (var i = 0u; i < STEPS; i++) {
        fits[i][lane] = fit_at((*inverses)[i]);
    }
    workgroupBarrier();
    var best: vec2f;
    var gain = -1.0;
    for (var i = 0u; i < STEPS; i++) {
        let fit = block_fit(lane, i);
        if explained(fit) > gain {
            best = fit;
            gain = explained(fit);
        }
    }
    return f16_encode_scale(scale_of(best));
}
