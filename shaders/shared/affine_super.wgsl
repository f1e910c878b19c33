// Super-blocks of eight sub-blocks of 32 weights with scales and minimums: x = d * scale * code - dmin * min.
// Step for step `affine_super` in src/quant/search.rs; the including shader declares TOP and `put_codes`,
// which writes the codes of the sub-block that is loaded.
//#include shared/affine.wgsl

const KEEP_ZERO: bool = true;
const SUPER_ROUNDS: u32 = 1u;
const SUPER_TOP: f32 = 63.0;

// What is stored: the two scales as f16 bits, and scale and minimum of each sub-block.
struct Stored {
    d: u32,
    dmin: u32,
    sub: array<vec2f, 8>,
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

fn quantize(block: u32) -> Stored {
    var sums: array<Sums, 8>;
    var sum: array<f32, 8>;
    var fit: array<vec2f, 8>;
    var stored: Stored;
    var d = 0.0;
    var dmin = 0.0;
    for (var pass_ = 0u; pass_ < SUPER_ROUNDS + 2u; pass_++) {
        let last = pass_ == SUPER_ROUNDS + 1u;
        if last {
            stored.d = f16_encode_scale(d);
            stored.dmin = f16_encode_scale(dmin);
            d = f16_decode(stored.d);
            dmin = f16_decode(stored.dmin);
        }
        var largest = vec2f(0.0);
        var a = 0.0;
        var b = 0.0;
        var c = 0.0;
        var p = 0.0;
        var r = 0.0;
        for (var s = 0u; s < 8u; s++) {
            load(block * 8u + s);
            if pass_ == 0u {
                let found = affine();
                sums[s] = found.sums;
                sum[s] = found.x;
                fit[s] = least_squares_below(found.sums, found.x);
                largest = max(largest, vec2f(fit[s].x, -fit[s].y));
                continue;
            }
            let sub = choose(sums[s], fit[s], d, dmin);
            stored.sub[s] = sub;
            let inverse_scale = inverse(d * sub.x);
            let low = -(dmin * sub.y);
            if last {
                put_codes(block, s, inverse_scale, low);
                continue;
            }
            let next = affine_sums(inverse_scale, low);
            sums[s] = next;
            fit[s] = least_squares_below(next, sum[s]);
            a += sub.x * sub.x * next.ll;
            b += sub.x * sub.y * next.l;
            c += sub.y * sub.y * 32.0;
            p += sub.x * next.xl;
            r += sub.y * sum[s];
        }
        if pass_ == 0u {
            d = largest.x / SUPER_TOP;
            dmin = largest.y / SUPER_TOP;
            continue;
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
    return stored;
}

// Writes the word of d and dmin and the three of the scales, from word `at`; see src/quant/k_scales.rs.
fn put_scales(stored: ptr<function, Stored>) {
    put((*stored).d | ((*stored).dmin << 16u));
    var words: array<u32, 3>;
    for (var i = 0u; i < 4u; i++) {
        let first = vec2u((*stored).sub[i]);
        let last = vec2u((*stored).sub[i + 4u]);
        words[0] |= (first.x | ((last.x >> 4u) << 6u)) << (8u * i);
        words[1] |= (first.y | ((last.y >> 4u) << 6u)) << (8u * i);
        words[2] |= ((last.x & 15u) | ((last.y & 15u) << 4u)) << (8u * i);
    }
    put(words[0]);
    put(words[1]);
    put(words[2]);
}
