// Super-blocks of eight sub-blocks of 32 weights with scales and minimums: x = d * scale * code - dmin * min.
// Step for step `affine_super` in src/quant/search.rs; the including shader declares TOP, and packs.
//#include shared/affine.wgsl

const KEEP_ZERO: bool = true;
const SUPER_ROUNDS: u32 = 2u;
const SUPER_TOP: f32 = 63.0;

// The super-block's f16 scales as bits and as floats, and what each sub-block stores.
struct Super {
    d_bits: u32,
    dmin_bits: u32,
    d: f32,
    dmin: f32,
    stored: array<vec2f, 8>,
}

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

fn search(block: u32) -> Super {
    var sums: array<Sums, 8>;
    var sum: array<f32, 8>;
    var fit: array<vec2f, 8>;
    var largest = vec2f(0.0);
    for (var s = 0u; s < 8u; s++) {
        load(block * 8u + s);
        let found = affine();
        sums[s] = found.sums;
        sum[s] = found.x;
        fit[s] = least_squares_below(found.sums, found.x);
        largest = max(largest, vec2f(fit[s].x, -fit[s].y));
    }
    var d = largest.x / SUPER_TOP;
    var dmin = largest.y / SUPER_TOP;
    for (var round_ = 0u; round_ < SUPER_ROUNDS; round_++) {
        var a = 0.0;
        var b = 0.0;
        var c = 0.0;
        var p = 0.0;
        var r = 0.0;
        for (var s = 0u; s < 8u; s++) {
            let stored = choose(sums[s], fit[s], d, dmin);
            load(block * 8u + s);
            let inverse_scale = inverse(d * stored.x);
            let low = -(dmin * stored.y);
            var next: Sums;
            for (var i = 0u; i < 32u; i++) {
                let l = affine_code(x[i], inverse_scale, low);
                next.l += l;
                next.ll += l * l;
                next.xl += x[i] * l;
            }
            sums[s] = next;
            fit[s] = least_squares_below(next, sum[s]);
            a += stored.x * stored.x * next.ll;
            b += stored.x * stored.y * next.l;
            c += stored.y * stored.y * 32.0;
            p += stored.x * next.xl;
            r += stored.y * sum[s];
        }
        // Both scales by least squares, given everything else.
        let determinant = a * c - b * b;
        let d2 = (p * c - r * b) / determinant;
        let dmin2 = (p * b - r * a) / determinant;
        if determinant > 0.0 && d2 > 0.0 && dmin2 >= 0.0 {
            d = d2;
            dmin = dmin2;
        } else if a > 0.0 && p > 0.0 && c == 0.0 {
            d = p / a;
        }
    }
    var result: Super;
    result.d_bits = f16_encode_scale(d);
    result.dmin_bits = f16_encode_scale(dmin);
    result.d = f16_decode(result.d_bits);
    result.dmin = f16_decode(result.dmin_bits);
    for (var s = 0u; s < 8u; s++) {
        result.stored[s] = choose(sums[s], fit[s], result.d, result.dmin);
    }
    return result;
}

// Word `w` (0..3) of the twelve bytes of scales and minimums; see src/quant/k_scales.rs.
fn scale_word(found: ptr<function, Super>, w: u32) -> u32 {
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
        let first = vec2u((*found).stored[i]);
        let last = vec2u((*found).stored[i + 4u]);
        var byte = (last.x & 15u) | ((last.y & 15u) << 4u);
        if w == 0u {
            byte = first.x | ((last.x >> 4u) << 6u);
        } else if w == 1u {
            byte = first.y | ((last.y >> 4u) << 6u);
        }
        word |= byte << (8u * i);
    }
    return word;
}
