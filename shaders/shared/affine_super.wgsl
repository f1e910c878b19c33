// Super-blocks of eight sub-blocks of 32 weights with scales and minimums: x = d * scale * code - dmin * min.
// An invocation a sub-block, so that its weights stay in registers; eight neighbours decide together.
// Step for step `affine_super` in src/quant/search.rs; the including shader declares TOP.
//#include shared/affine.wgsl

const KEEP_ZERO: bool = true;
const SUPER_ROUNDS: u32 = 1u;
const SUPER_TOP: f32 = 63.0;

// Of each sub-block: its fit, later what it stores; the terms of the super-block's sums; its codes.
var<workgroup> fits: array<vec2f, WORKGROUP>;
var<workgroup> terms: array<array<f32, WORKGROUP>, 5>;
var<workgroup> totals: array<f32, WORKGROUP>;
var<workgroup> codes: array<array<u32, 8>, WORKGROUP>;

// With a minimum of at most 0, as super-blocks store it.
fn least_squares_below(sums: Sums, sum: f32) -> vec2f {
    let fit = least_squares(sums, sum);
    return vec2f(select(fit.x, sums.xl * inverse(sums.ll), fit.y > 0.0), min(fit.y, 0.0));
}

// The storable scale and minimum of a sub-block that add the least error to its fit. The two are not rounded one by
// one: for each of three scales the minimum follows.
fn choose(sums: Sums, fit: vec2f, d: f32, dmin: f32) -> vec2f {
    let d_inverse = inverse(d);
    let dmin_inverse = inverse(dmin);
    let nearest = round(clamp(fit.x * d_inverse, 0.0, SUPER_TOP));
    var chosen = vec2f(0.0);
    var error = 0x1.fffffep+127f;
    for (var i = 0u; i < 3u; i++) {
        let s = clamp(nearest + select(select(1.0, -1.0, i == 1u), 0.0, i == 0u), 0.0, SUPER_TOP);
        let ds = d * s - fit.x;
        let m = round(clamp((ds * sums.l * (1.0 / 32.0) - fit.y) * dmin_inverse, 0.0, SUPER_TOP));
        let dm = dmin * m + fit.y;
        let added = sums.ll * ds * ds + 32.0 * dm * dm - 2.0 * sums.l * ds * dm;
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
    let first = lane & ~7u;
    let term = min(lane & 7u, 4u);
    var total = 0.0;
    for (var s = 0u; s < 8u; s++) {
        total += terms[term][first + s];
    }
    totals[lane] = total;
    workgroupBarrier();
    return array<f32, 5>(totals[first], totals[first + 1u], totals[first + 2u], totals[first + 3u], totals[first + 4u]);
}

// Leaves in `codes` and `fits` what the sub-block of this invocation stores, and returns d and dmin as f16 bits.
fn search(lane: u32, sub_block: u32) -> vec2u {
    load(sub_block);
    let found = affine();
    var sums = found.sums;
    var fit = least_squares_below(sums, found.x);
    fits[lane] = fit;
    workgroupBarrier();
    var largest = vec2f(0.0);
    for (var s = 0u; s < 8u; s++) {
        let other = fits[(lane & ~7u) + s];
        largest = max(largest, vec2f(other.x, -other.y));
    }
    var d = largest.x / SUPER_TOP;
    var dmin = largest.y / SUPER_TOP;
    for (var i = 0u; i < SUPER_ROUNDS; i++) {
        let sub = choose(sums, fit, d, dmin);
        sums = affine_sums(inverse(d * sub.x), -(dmin * sub.y));
        fit = least_squares_below(sums, found.x);
        let t = add_up(
            lane,
            sub.x * sub.x * sums.ll,
            sub.x * sub.y * sums.l,
            sub.y * sub.y * 32.0,
            sub.x * sums.xl,
            sub.y * found.x,
        );
        // Both scales by least squares, given everything else.
        let determinant = t[0] * t[2] - t[1] * t[1];
        let d2 = (t[3] * t[2] - t[4] * t[1]) / determinant;
        let dmin2 = (t[3] * t[1] - t[4] * t[0]) / determinant;
        if determinant > 0.0 && d2 > 0.0 && dmin2 >= 0.0 {
            d = d2;
            dmin = dmin2;
        } else if t[0] > 0.0 && t[3] > 0.0 && t[2] == 0.0 {
            d = t[3] / t[0];
        }
    }
    let bits = vec2u(f16_encode_scale(d), f16_encode_scale(dmin));
    d = f16_decode(bits.x);
    dmin = f16_decode(bits.y);
    let sub = choose(sums, fit, d, dmin);
    fits[lane] = sub;
    for (var w = 0u; w < 8u; w++) {
        codes[lane][w] = affine_word(w, inverse(d * sub.x), -(dmin * sub.y));
    }
    workgroupBarrier();
    return bits;
}

// Word `w` (0..3) of the twelve bytes of scales and minimums; see src/quant/k_scales.rs.
fn scale_word(lane: u32, w: u32) -> u32 {
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
        let first = vec2u(fits[(lane & ~7u) + i]);
        let last = vec2u(fits[(lane & ~7u) + i + 4u]);
        let scale = first.x | ((last.x >> 4u) << 6u);
        let minimum = first.y | ((last.y >> 4u) << 6u);
        let both = (last.x & 15u) | ((last.y & 15u) << 4u);
        word |= select(select(both, minimum, w == 1u), scale, w == 0u) << (8u * i);
    }
    return word;
}

// The four words before the codes, one each by the first four invocations of a super-block.
fn head_word(lane: u32, bits: vec2u) -> u32 {
    let s = lane & 7u;
    return select(scale_word(lane, s - 1u), bits.x | (bits.y << 16u), s == 0u);
}

// The low four bits: two sub-blocks share 32 bytes, the first the low nibbles, the second the high ones. Each of the
// two invocations writes half of them.
fn write_low_bits(lane: u32, at: u32) {
    let s = lane & 7u;
    let even = lane & ~1u;
    for (var i = 0u; i < 4u; i++) {
        let w = (s & 1u) * 4u + i;
        let low = codes[even][w] & 0x0f0f0f0fu;
        let high = codes[even + 1u][w] & 0x0f0f0f0fu;
        output[at + s / 2u * 8u + w] = low | (high << 4u);
    }
}
