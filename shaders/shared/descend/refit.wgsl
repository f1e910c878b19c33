// The scales of the row's blocks at once, by least squares; part of descend.wgsl.

// Numbers of a block: d, and dmin where there is one; and of all blocks.
const KINDS: u32 = {kinds}u;
const UNKNOWNS: u32 = MOST_BLOCKS * KINDS;
// Added to the diagonal of the system, in units of it.
const RIDGE: f32 = 1e-5;
// A change of the cost, in units of what it is a sum of, that is none but rounding.
const NOTHING: f32 = 4e-6;

// By number and column what the weight changes by with it; the same times something; and sums of four of these.
var<workgroup> along: array<array<f32, MOST>, KINDS>;
var<workgroup> weighed: array<array<f32, MOST>, KINDS>;
var<workgroup> fours: array<array<f32, WORKGROUP>, KINDS>;
// The system, its right side in the last row, its root, and what solves it.
var<workgroup> system: array<f32, (UNKNOWNS + 1) * UNKNOWNS>;
var<workgroup> lower: array<f32, UNKNOWNS * UNKNOWNS>;
var<workgroup> solution: array<f32, UNKNOWNS>;
var<private> sums: array<f32, OWN>;

// The products of what is in `sums`, by column, with all directions become a row of the system.
fn reduce(to: u32) {
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + own;
        for (var kind = 0u; kind < KINDS; kind++) {
            weighed[kind][j] = sums[k] * along[kind][j];
        }
    }
    workgroupBarrier();
    for (var kind = 0u; kind < KINDS; kind++) {
        let i = 4u * own;
        fours[kind][own] =
            (weighed[kind][i] + weighed[kind][i + 1u]) + (weighed[kind][i + 2u] + weighed[kind][i + 3u]);
    }
    workgroupBarrier();
    if own < UNKNOWNS {
        var sum = 0.0;
        for (var i = 0u; i < BLOCK / 4u; i++) {
            sum += fours[own % KINDS][own / KINDS * (BLOCK / 4u) + i];
        }
        system[to * UNKNOWNS + own] = sum;
    }
}

// Leaves the solution in `solution`, by Cholesky's method. Says whether the system is positive definite.
fn solve(count: u32) -> bool {
    for (var i = 0u; i < count; i++) {
        let square = system[i * UNKNOWNS + i];
        for (var j = 0u; j <= i; j++) {
            var sum = system[i * UNKNOWNS + j];
            for (var k = 0u; k < j; k++) {
                sum -= lower[i * UNKNOWNS + k] * lower[j * UNKNOWNS + k];
            }
            if i != j {
                lower[i * UNKNOWNS + j] = sum / lower[j * UNKNOWNS + j];
            } else if square == 0.0 {
                lower[i * UNKNOWNS + i] = 1.0;
            } else if sum + RIDGE * square > 0.0 {
                lower[i * UNKNOWNS + i] = sqrt(sum + RIDGE * square);
            } else {
                return false;
            }
        }
        var right = system[UNKNOWNS * UNKNOWNS + i];
        for (var k = 0u; k < i; k++) {
            right -= lower[i * UNKNOWNS + k] * solution[k];
        }
        solution[i] = right / lower[i * UNKNOWNS + i];
    }
    for (var n = 0u; n < count; n++) {
        let i = count - 1u - n;
        var right = solution[i];
        for (var k = i + 1u; k < count; k++) {
            right -= lower[k * UNKNOWNS + i] * solution[k];
        }
        solution[i] = right / lower[i * UNKNOWNS + i];
    }
    return true;
}

// The step to the number that can be stored.
fn storable(number: f32, step: f32, is_min: bool) -> f32 {
    let wanted = f16_decode(f16_encode_scale(number + step));
    // A super-block's minimums are above 0 in every reader's eyes.
    return select(wanted - number, 0.0, is_min && HAS_MINS && wanted < 0.0);
}

// Leaves the steps in `solution`: none where they lower no cost.
fn choose_steps(count: u32) {
    var is_better = solve(count);
    if is_better {
        for (var i = 0u; i < count; i++) {
            let block = i / KINDS;
            let is_min = i % KINDS == 1u;
            solution[i] = storable(select(d[block], dmin[block], is_min), solution[i], is_min);
        }
        var cost = 0.0;
        var size = 0.0;
        for (var i = 0u; i < count; i++) {
            var product = 0.0;
            for (var j = 0u; j < count; j++) {
                product += system[i * UNKNOWNS + j] * solution[j];
            }
            let right = 2.0 * system[UNKNOWNS * UNKNOWNS + i];
            cost += solution[i] * (product - right);
            size += abs(solution[i]) * (abs(product) + abs(right));
        }
        is_better = cost < -NOTHING * size;
    }
    for (var i = 0u; i < count; i++) {
        if !is_better {
            solution[i] = 0.0;
        } else if i % KINDS == 1u {
            dmin[i / KINDS] += solution[i];
        } else {
            d[i / KINDS] += solution[i];
        }
    }
}

fn refit() {
    // What sub-blocks store was written.
    workgroupBarrier();
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + own;
        let is_there = j < params.width;
        let s = select(0u, j / SUB, is_there);
        along[0][j] = select(0.0, scales[s] * levels[k], is_there);
        if KINDS > 1u {
            along[KINDS - 1u][j] = select(0.0, -mins[s], is_there);
        }
    }
    workgroupBarrier();
    let count = params.width / BLOCK * KINDS;
    for (var n = 0u; n < count; n++) {
        let first = n / KINDS * BLOCK;
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            sums[k] = 0.0;
        }
        for (var i = first; i < first + BLOCK; i++) {
            let v = along[n % KINDS][i];
            let begin = i * params.width + own;
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                if k * WORKGROUP + own < params.width {
                    sums[k] += v * h[begin + k * WORKGROUP];
                }
            }
        }
        reduce(n);
    }
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        sums[k] = g[k];
    }
    reduce(UNKNOWNS);
    workgroupBarrier();
    if own == 0u {
        choose_steps(count);
    }
    workgroupBarrier();
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        let j = k * WORKGROUP + own;
        if j < params.width {
            for (var kind = 0u; kind < KINDS; kind++) {
                let step = solution[j / BLOCK * KINDS + kind];
                change[k] += step * along[kind][j];
                has_moved = has_moved || step != 0.0;
            }
        }
    }
}
