// Super-blocks of SUBS sub-blocks, an invocation each, with signed scales -TOP..TOP: x = d * scale * level.
// Step for step `super_block` in src/quant/scaled.rs; the including shader declares what scaled.wgsl asks for, too.
//#include shared/scaled.wgsl

// Of each sub-block: its fitted scale; the terms of the super-block's sums.
var<workgroup> fits: array<f32, WORKGROUP>;
var<workgroup> terms: array<vec2f, WORKGROUP>;

fn storable(scale: f32, d: f32) -> f32 {
    return round(clamp(scale * inverse(d), -TOP, TOP - 1.0));
}

// What a sub-block stores: d as f16 bits, its scale, and the weights' unit, to be rounded to levels.
struct Found {
    d: u32,
    scale: f32,
    inverse_scale: f32,
}

fn search(lane: u32, sub_block: u32) -> Found {
    load(sub_block);
    var fit = best_fit(inverse(extreme()));
    fits[lane] = scale_of(fit);
    workgroupBarrier();
    let first = lane & ~(SUBS - 1u);
    var largest = 0.0;
    for (var s = 0u; s < SUBS; s++) {
        let scale = fits[first + s];
        largest = select(largest, scale, abs(scale) > abs(largest));
    }
    var d = quotient(largest, -TOP);
    let rounds = super_rounds();
    for (var i = 0u; i < rounds; i++) {
        let scale = storable(scale_of(fit), d);
        fit = fit_at(inverse(d * scale));
        terms[lane] = vec2f(scale * fit.y, exact(scale * scale) * fit.x);
        workgroupBarrier();
        // By eights, as the twin's vectors are summed.
        var total = vec2f(0.0);
        for (var eight = first; eight < first + SUBS; eight += 8u) {
            var sum = vec2f(0.0);
            for (var s = 0u; s < 8u; s++) {
                sum += terms[eight + s];
            }
            total += sum;
        }
        if total.y > 0.0 {
            d = quotient(total.x, total.y);
        }
        workgroupBarrier();
    }
    let bits = f16_encode_scale(d);
    d = f16_decode(bits);
    let scale = storable(scale_of(fit), d);
    return Found(bits, scale, inverse(d * scale));
}
