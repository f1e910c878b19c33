// What sub-blocks store, one number after the other; part of descend.wgsl.

// Invocations that have a column of a sub-block.
const OWNERS: u32 = SUB / OWN;

// What the weights change by with the number, by column, and those of the number after it; the terms of two sums.
var<workgroup> directions: array<array<vec4f, SUB>, 2>;
var<workgroup> gains: array<vec4f, OWNERS>;
var<workgroup> squares: array<vec4f, OWNERS>;
var<private> turn: u32;
// Of this invocation's columns.
var<private> v: array<vec4f, OWN>;

// The whole step of a number of sub-block `s` that lowers the cost most, or 0, along what is in `v`.
fn step_of(s: u32, number: vec4f, low: i32, high: i32) -> vec4f {
    let is_own = own / OWNERS == s;
    let owner = own % OWNERS;
    turn = 1u - turn;
    if is_own {
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            directions[turn][4u * owner + k] = v[k];
        }
    }
    workgroupBarrier();
    if is_own {
        var along: array<vec4f, OWN>;
        for (var m = 0u; m < SUB; m++) {
            let quad = h_quad(s * SUB + m);
            let direction = directions[turn][m];
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                along[k] += direction * quad[k];
            }
        }
        var gain = vec4f(0.0);
        var square = vec4f(0.0);
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            gain += v[k] * g[k];
            square += v[k] * along[k];
        }
        gains[owner] = gain;
        squares[owner] = square;
    }
    workgroupBarrier();
    var gain = vec4f(0.0);
    var square = vec4f(0.0);
    for (var m = 0u; m < OWNERS; m++) {
        gain += gains[m];
        square += squares[m];
    }
    let wanted = round(clamp(gain / square, vec4f(f32(low)) - number, vec4f(f32(high)) - number));
    let is_better = (square > vec4f(0.0)) & (wanted * (wanted * square - 2.0 * gain) < vec4f(0.0));
    let step = select(vec4f(0.0), wanted, is_better);
    if any(is_better) {
        for (var m = 0u; m < SUB; m++) {
            apply(s * SUB + m, step * directions[turn][m]);
        }
        has_moved = has_moved | is_better;
        if is_own {
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                change[k] += step * v[k];
            }
        }
    }
    return step;
}

fn fit_subs() {
    turn = 0u;
    for (var s = 0u; s < params.width / SUB; s++) {
        let block = s * SUB / BLOCK;
        if HAS_SCALES {
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                v[k] = d[block] * levels[k];
            }
            let number = scales[s];
            let step = step_of(s, number, SCALE_LOW, SCALE_HIGH);
            if own == 0u {
                scales[s] = number + step;
            }
        }
        if HAS_MINS {
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                v[k] = -dmin[block];
            }
            let number = mins[s];
            let step = step_of(s, number, MIN_LOW, MIN_HIGH);
            if own == 0u {
                mins[s] = number + step;
            }
        }
    }
}
