// Super-blocks of SUBS sub-blocks with scales and minimums up to SUPER_TOP: x = d * scale * code - dmin * min.
// An invocation a sub-block, so that its weights stay in registers; neighbours decide together.
// Step for step `affine_super` in src/quant/affine.rs; the including shader declares what affine.wgsl asks for, too.
//#include shared/affine.wgsl

const KEEP_ZERO: bool = true;

// Of each sub-block: its fit, later what it stores; the terms of the super-block's sums; its codes.
var<workgroup> fits: array<vec2f, WORKGROUP>;
var<workgroup> terms: array<array<f32, WORKGROUP>, 5>;
var<workgroup> totals: array<f32, WORKGROUP>;
var<workgroup> codes: array<array<u32, QUADS>, WORKGROUP>;

// With a minimum of at most 0, as super-blocks store it.
fn least_squares_below(sums: Sums) -> vec2f {
    let fit = least_squares(sums);
    return vec2f(select(fit.x, sums.xl * inverse(sums.ll), fit.y > 0.0), min(fit.y, 0.0));
}

// The storable scale and minimum of a sub-block that add the least error to its fit. The two are not rounded one by
// one: for each of three scales the minimum follows.
fn choose(sums: Sums, fit: vec2f, d: f32, dmin: f32) -> vec2f {
    let d_inverse = inverse(d);
    let dmin_inverse = inverse(dmin);
    let n_inverse = inverse(sums.n);
    let nearest = round(clamp(fit.x * d_inverse, 0.0, SUPER_TOP));
    var chosen = vec2f(0.0);
    var error = 0x1.fffffep+127f;
    for (var i = 0u; i < 3u; i++) {
        let s = clamp(nearest + select(select(1.0, -1.0, i == 1u), 0.0, i == 0u), 0.0, SUPER_TOP);
        let ds = exact(d * s) - fit.x;
        let m = round(clamp((exact(exact(ds * sums.l) * n_inverse) - fit.y) * dmin_inverse, 0.0, SUPER_TOP));
        let dm = exact(dmin * m) + fit.y;
        let squares = exact(exact(sums.ll * ds) * ds) + exact(exact(sums.n * dm) * dm);
        let added = squares - exact(exact(2.0 * sums.l * ds) * dm);
        if error > added {
            chosen = vec2f(s, m);
            error = added;
        }
    }
    return chosen;
}

// Sums over the super-block, in the order of its sub-blocks; the lane is an invocation's place in the workgroup.
fn add_up(lane: u32, a: f32, b: f32, c: f32, p: f32, r: f32) -> array<f32, 5> {
    terms[0][lane] = a;
    terms[1][lane] = b;
    terms[2][lane] = c;
    terms[3][lane] = p;
    terms[4][lane] = r;
    workgroupBarrier();
    let first = lane & ~(SUBS - 1u);
    let term = min(lane - first, 4u);
    // By eights, as the twin's vectors are summed.
    var total = 0.0;
    for (var eight = first; eight < first + SUBS; eight += 8u) {
        var sum = 0.0;
        for (var s = 0u; s < 8u; s++) {
            sum += terms[term][eight + s];
        }
        total += sum;
    }
    totals[lane] = total;
    workgroupBarrier();
    return array<f32, 5>(totals[first], totals[first + 1u], totals[first + 2u], totals[first + 3u], totals[first + 4u]);
}

// Leaves in `codes` and `fits` what the sub-block of this invocation stores, and returns d and dmin as f16 bits.
fn search(lane: u32, sub_block: u32) -> vec2u {
    load(sub_block);
    var sums = affine();
    var fit = least_squares_below(sums);
    fits[lane] = fit;
    workgroupBarrier();
    var largest = vec2f(0.0);
    for (var s = 0u; s < SUBS; s++) {
        let other = fits[(lane & ~(SUBS - 1u)) + s];
        largest = max(largest, vec2f(other.x, -other.y));
    }
    var d = quotient(largest.x, SUPER_TOP);
    var dmin = quotient(largest.y, SUPER_TOP);
    let rounds = super_rounds();
    for (var i = 0u; i < rounds; i++) {
        let sub = choose(sums, fit, d, dmin);
        sums = affine_sums(sums, inverse(d * sub.x), -exact(dmin * sub.y));
        fit = least_squares_below(sums);
        let t = add_up(
            lane,
            exact(sub.x * sub.x) * sums.ll,
            exact(sub.x * sub.y) * sums.l,
            exact(sub.y * sub.y) * sums.n,
            sub.x * sums.xl,
            sub.y * sums.x,
        );
        // Both scales by least squares, given everything else.
        let determinant = exact(t[0] * t[2]) - exact(t[1] * t[1]);
        let d2 = quotient(exact(t[3] * t[2]) - exact(t[4] * t[1]), determinant);
        let dmin2 = quotient(exact(t[3] * t[1]) - exact(t[4] * t[0]), determinant);
        if determinant > 0.0 && d2 > 0.0 && dmin2 >= 0.0 {
            d = d2;
            dmin = dmin2;
        } else if t[0] > 0.0 && t[3] > 0.0 && t[2] == 0.0 {
            d = quotient(t[3], t[0]);
        }
    }
    let bits = vec2u(f16_encode_scale(d), f16_encode_scale(dmin));
    d = f16_decode(bits.x);
    dmin = f16_decode(bits.y);
    let sub = choose(sums, fit, d, dmin);
    fits[lane] = sub;
    for (var w = 0u; w < QUADS; w++) {
        codes[lane][w] = affine_word(w, inverse(d * sub.x), -exact(dmin * sub.y));
    }
    workgroupBarrier();
    return bits;
}
