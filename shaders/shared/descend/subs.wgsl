// What sub-blocks store, one number after the other; part of descend.wgsl.

// What the weights change by with the number, by column, and those of the number after it; the terms of two sums.
var<workgroup> directions: array<array<f32, SUB>, 2>;
var<workgroup> terms: array<vec2f, SUB>;
var<private> turn: u32;

// The whole step of a number of the sub-block that begins at column `first` that lowers the cost most, or 0. `v` is the
// direction of this invocation's column, and `product` its product with H, where that column is in the sub-block.
fn step_of(is_own: bool, first: u32, v: f32, product: f32, number: f32, low: i32, high: i32) -> f32 {
    let place = own % SUB;
    turn = 1u - turn;
    if is_own {
        directions[turn][place] = v;
    }
    workgroupBarrier();
    if is_own {
        var sum = 0.0;
        for (var m = 0u; m < SUB; m++) {
            sum += directions[turn][m] * h[(first + m) * params.width + first + place];
        }
        terms[place] = vec2f(v * product, v * sum);
    }
    workgroupBarrier();
    var sums = vec2f(0.0);
    for (var m = 0u; m < SUB; m++) {
        sums += terms[m];
    }
    if sums.y <= 0.0 {
        return 0.0;
    }
    let step = round(clamp(sums.x / sums.y, f32(low) - number, f32(high) - number));
    if step == 0.0 || step * (step * sums.y - 2.0 * sums.x) >= 0.0 {
        return 0.0;
    }
    for (var m = 0u; m < SUB; m++) {
        apply(first + m, step * directions[turn][m]);
    }
    has_moved = true;
    return step;
}

fn fit_subs() {
    turn = 0u;
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let count = columns_of(k) / SUB;
        for (var s = 0u; s < count; s++) {
            let first = k * WORKGROUP + s * SUB;
            let is_own = own / SUB == s;
            if HAS_SCALES {
                let v = d[first / BLOCK] * levels[k];
                let number = scales[first / SUB];
                let step = step_of(is_own, first, v, g[k], number, SCALE_LOW, SCALE_HIGH);
                change[k] += select(0.0, step * v, is_own);
                if own == 0u {
                    scales[first / SUB] = number + step;
                }
            }
            if HAS_MINS {
                let v = -dmin[first / BLOCK];
                let number = mins[first / SUB];
                let step = step_of(is_own, first, v, g[k], number, MIN_LOW, MIN_HIGH);
                change[k] += select(0.0, step * v, is_own);
                if own == 0u {
                    mins[first / SUB] = number + step;
                }
            }
        }
    }
}
