// The search of the IQ1, IQ2 and IQ3 types; step for step src/quant/lattice.rs.
// The including shader declares x, the weights of a sub-block, in QUADS vectors, and SUBS, the sub-blocks of a
// super-block; the grid: POINTS of BITS bits a level, with FIRSTS combinations of LEVELS levels in half of WEIGHTS
// weights; `value(kind, level)` in SETS sets, of which CHOICE weights choose one; the scales: UNIT, TOP; and SIGNS: 0
// none, 1 free, 2 an even number of eight; and TRIES, the scales to try where time counts.

//#include shared/points.wgsl

const COUNT: u32 = 4u * QUADS;
const MOST: f32 = 0x1.fffffep+127f;

const ENDS: u32 = POINTS / 2u;
const FOURS: u32 = ENDS + FIRSTS;
const QUARTERS: u32 = select(LEVELS * LEVELS, LEVELS, WEIGHTS == 4u);

// The weights, their signs taken off.
var<private> magnitudes: array<f32, COUNT>;
// Sums over a quarter of a point's weights, for every combination of their levels: the two that make the first half.
var<private> low: array<f32, QUARTERS>;
var<private> high: array<f32, QUARTERS>;
// And over its second half.
var<private> last: array<f32, FIRSTS>;
// The points tried at a scale: their numbers, and the set of levels in bit 16.
var<private> tried_points: array<u32, COUNT / WEIGHTS>;

// Of each sub-block: its fitted scale, later the scale it stores; the terms of the super-block's sums.
var<workgroup> scales: array<f32, WORKGROUP>;
var<workgroup> terms: array<vec2f, WORKGROUP>;
// And the points of the best scale; for every eight weights a byte of signs.
var<workgroup> points: array<array<u32, COUNT / WEIGHTS>, WORKGROUP>;
var<workgroup> signs: array<array<u32, COUNT / 8u>, WORKGROUP>;

// A term of weight i, times its factor.
fn weigh_one(i: u32, term: f32) -> f32 {
    if weighted {
        return exact(factors_of_x[i / 4u][i % 4u] * term);
    }
    return term;
}

// Splits off the signs. If only an even number of eight can be stored as negative, the weight that matters least takes
// the wrong sign where it has to: its magnitude is negative.
fn split_signs(lane: u32) {
    for (var eight = 0u; eight < COUNT; eight += 8u) {
        var least = MOST;
        var index = 0u;
        var byte = 0u;
        for (var i = 0u; i < 8u; i++) {
            let v = x[(eight + i) / 4u][i % 4u];
            let cost = weigh_one(eight + i, abs(v));
            index = select(index, i, least > cost);
            least = min(least, cost);
            byte |= select(0u, 1u << i, v < 0.0);
            magnitudes[eight + i] = select(abs(v), v, SIGNS == 0u);
        }
        if SIGNS == 2u && (countOneBits(byte) & 1u) == 1u {
            byte ^= 1u << index;
            magnitudes[eight + index] = -magnitudes[eight + index];
        }
        signs[lane][eight / 8u] = byte;
    }
}

// The scale of a sub-block if any levels could go together.
fn start() -> f32 {
    var size = 0.0;
    for (var i = 0u; i < COUNT; i++) {
        size = max(size, abs(magnitudes[i]));
    }
    let unit = inverse(size);
    var scale = 0.0;
    var gain = -1.0;
    for (var step = 0u; step < 7u; step++) {
        let inverse_scale = exact(exact(value(0u, LEVELS - 1u) * STEPS[step]) * unit);
        var qq = 0.0;
        var xq = 0.0;
        for (var i = 0u; i < COUNT; i++) {
            let v = exact(magnitudes[i] * inverse_scale);
            var q = value(0u, 0u);
            for (var k = 1u; k < LEVELS; k++) {
                let below = value(0u, k - 1u);
                let above = value(0u, k);
                q += select(0.0, above - below, v > (below + above) / 2.0);
            }
            let wq = weigh_one(i, q);
            qq += exact(wq * q);
            xq += exact(wq * magnitudes[i]);
        }
        let explained = exact(exact(xq * xq) * inverse(qq));
        if explained > gain {
            scale = xq * inverse(qq);
            gain = explained;
        }
    }
    return max(scale, 0.0);
}

var<private> STEPS: array<f32, 7> = array<f32, 7>(0.0625, 0.8, 1.0, 1.2, 1.45, 1.75, 2.1);

// What each combination of levels takes off the squared error of the point's weights, in two halves.
fn halves(begin: u32, kind: u32, scale: f32) {
    var term: array<array<f32, LEVELS>, WEIGHTS>;
    for (var k = 0u; k < LEVELS; k++) {
        let y = exact(value(kind, k) * scale);
        for (var i = 0u; i < WEIGHTS; i++) {
            let v = magnitudes[begin + i];
            // Kept, for a compiler may take y out of a sum of two.
            term[i][k] = weigh_one(begin + i, kept(y * ((v + v) - y)));
        }
    }
    for (var i = 0u; i < QUARTERS; i++) {
        let a = i % LEVELS;
        let b = i / LEVELS;
        if WEIGHTS == 4u {
            low[i] = term[0][i];
            high[i] = term[1][i];
        } else {
            low[i] = term[0][a] + term[1][b];
            high[i] = term[2][a] + term[3][b];
        }
    }
    for (var i = 0u; i < FIRSTS; i++) {
        let a = i % LEVELS;
        let b = i / LEVELS % LEVELS;
        if WEIGHTS == 4u {
            last[i] = term[2][a] + term[3][b];
        } else {
            let c = i / (LEVELS * LEVELS) % LEVELS;
            let d = i / (LEVELS * LEVELS * LEVELS);
            last[i] = (term[WEIGHTS - 4u][a] + term[WEIGHTS - 3u][b]) + (term[WEIGHTS - 2u][c] + term[WEIGHTS - 1u][d]);
        }
    }
}

// What the first half of a point takes off; kept, for a compiler may regroup the sum with what is added to it.
fn first(half: u32) -> f32 {
    return kept(low[half % QUARTERS] + high[half / QUARTERS]);
}

// The most that any point takes off, and the first half of the first that does.
struct Best {
    most: f32,
    half: u32,
}

fn best_point() -> Best {
    var found = Best(-MOST, 0u);
    var four = 0u;
    for (var half = 0u; half < FIRSTS; half++) {
        let end = table[ENDS + half];
        var most = -MOST;
        for (; four < end; four++) {
            let bytes = unpack4xU8(table[FOURS + four]);
            most = max(most, max(max(last[bytes.x], last[bytes.y]), max(last[bytes.z], last[bytes.w])));
        }
        let sum = first(half) + most;
        if sum > found.most {
            found = Best(sum, half);
        }
    }
    return found;
}

// Its number in the format.
fn number_of(found: Best) -> u32 {
    let numbers = FOURS + table[ENDS + FIRSTS - 1u];
    var four = 0u;
    if found.half > 0u {
        four = table[ENDS + found.half - 1u];
    }
    for (; four < table[ENDS + found.half]; four++) {
        let bytes = unpack4xU8(table[FOURS + four]);
        for (var i = 0u; i < 4u; i++) {
            if first(found.half) + last[bytes[i]] == found.most {
                return (table[numbers + 2u * four + i / 2u] >> (16u * (i & 1u))) & 0xffffu;
            }
        }
    }
    return 0u;
}

// What the best points take off at a scale; leaves them in `tried_points`.
fn try_scale(scale: f32) -> f32 {
    var gain = 0.0;
    for (var begin = 0u; begin < COUNT; begin += CHOICE) {
        var most = -MOST;
        for (var kind = 0u; kind < SETS; kind++) {
            var total = 0.0;
            var chosen: array<u32, CHOICE / WEIGHTS>;
            for (var i = 0u; i < CHOICE / WEIGHTS; i++) {
                halves(begin + i * WEIGHTS, kind, scale);
                let found = best_point();
                total += found.most;
                chosen[i] = number_of(found) | (kind << 16u);
            }
            if total > most {
                most = total;
                for (var i = 0u; i < CHOICE / WEIGHTS; i++) {
                    tried_points[begin / WEIGHTS + i] = chosen[i];
                }
            }
        }
        gain += most;
    }
    return gain;
}

// The sums over the values q of the points chosen: xq and qq.
fn point_sums(lane: u32) -> vec2f {
    var sums = vec2f(0.0);
    for (var i = 0u; i < COUNT; i++) {
        let q = point_value(points[lane][i / WEIGHTS], i % WEIGHTS);
        let wq = weigh_one(i, q);
        sums.x += exact(wq * magnitudes[i]);
        sums.y += exact(wq * q);
    }
    return sums;
}

// Leaves what a sub-block stores, and returns the f16 bits of the super-block's scale.
fn search(lane: u32, sub_block: u32) -> u32 {
    load(sub_block);
    split_signs(lane);
    let fit = start();
    scales[lane] = fit;
    workgroupBarrier();
    let first_lane = lane & ~(SUBS - 1u);
    var largest = 0.0;
    for (var s = 0u; s < SUBS; s++) {
        largest = max(largest, scales[first_lane + s]);
    }
    workgroupBarrier();
    let d = quotient(exact(1.06 * largest), UNIT * (2.0 * TOP + 1.0));
    let step = d * UNIT;
    let wanted = clamp((exact(fit * inverse(step)) - 1.0) * 0.5, 0.0, TOP);
    let begin = round(wanted);
    let side = select(-1.0, 1.0, wanted > begin);
    var scale = 0.0;
    var most = -MOST;
    let tries = select(TRIES, 3u, best);
    for (var i = 0u; i < tries; i++) {
        let tried = clamp(begin + select(select(-side, side, i == 1u), 0.0, i == 0u), 0.0, TOP);
        let gain = try_scale(exact((tried + tried + 1.0) * step));
        if gain > most {
            most = gain;
            scale = tried;
            for (var k = 0u; k < COUNT / WEIGHTS; k++) {
                points[lane][k] = tried_points[k];
            }
        }
    }
    let sums = point_sums(lane);
    // The scale that is best for these points.
    let ideal = exact(exact(sums.x * inverse(sums.y)) * inverse(step));
    scale = round(clamp((ideal - 1.0) * 0.5, 0.0, TOP));
    let unit = (scale + scale + 1.0) * UNIT;
    terms[lane] = vec2f(unit * sums.x, exact(unit * unit) * sums.y);
    scales[lane] = scale;
    workgroupBarrier();
    // By eights, as the twin's vectors are summed.
    var total = vec2f(0.0);
    for (var eight = first_lane; eight < first_lane + SUBS; eight += 8u) {
        var sum = vec2f(0.0);
        for (var s = 0u; s < 8u; s++) {
            sum += terms[eight + s];
        }
        total += sum;
    }
    let bits = f16_encode_scale(total.x * inverse(total.y));
    if bits == 0u {
        scales[lane] = 0.0;
        for (var i = 0u; i < COUNT / WEIGHTS; i++) {
            points[lane][i] = 0u;
        }
        for (var i = 0u; i < COUNT / 8u; i++) {
            signs[lane][i] = 0u;
        }
    }
    workgroupBarrier();
    return bits;
}
