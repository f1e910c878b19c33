// The scales of the rows' blocks at once, by least squares; part of descend.wgsl.

// Numbers of a block: d, and dmin where there is one; and of all blocks.
const KINDS: u32 = {kinds}u;
const UNKNOWNS: u32 = MOST_BLOCKS * KINDS;
// Added to the diagonal of the system, in units of it.
const RIDGE: f32 = 1e-5;
// A change of the cost, in units of what it is a sum of, that is none but rounding.
const NOTHING: f32 = 4e-6;

// By number and column what the weight changes by with it; the sums of something with these over four columns.
var<workgroup> changes: array<array<vec4f, MOST>, KINDS>;
var<workgroup> fours: array<array<vec4f, WORKGROUP>, KINDS>;
// The system, its right side in the last row, its root, and what solves it.
var<workgroup> system: array<vec4f, (UNKNOWNS + 1) * UNKNOWNS>;
var<workgroup> lower: array<vec4f, UNKNOWNS * UNKNOWNS>;
var<workgroup> solution: array<vec4f, UNKNOWNS>;
var<private> sums: array<vec4f, OWN>;

// The products of what is in `sums`, by column, with all directions become a row of the system.
fn reduce(to: u32) {
    workgroupBarrier();
    for (var kind = 0u; kind < KINDS; kind++) {
        var sum = vec4f(0.0);
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            sum += sums[k] * changes[kind][4u * own + k];
        }
        fours[kind][own] = sum;
    }
    workgroupBarrier();
    if own < UNKNOWNS {
        var sum = vec4f(0.0);
        for (var i = 0u; i < BLOCK / 4u; i++) {
            sum += fours[own % KINDS][own / KINDS * (BLOCK / 4u) + i];
        }
        system[to * UNKNOWNS + own] = sum;
    }
}

// Leaves the solution in `solution`, by Cholesky's method. Says of which rows the system is positive definite.
fn solve(count: u32) -> vec4<bool> {
    var is_definite = vec4<bool>(true);
    for (var i = 0u; i < count; i++) {
        let square = system[i * UNKNOWNS + i];
        for (var j = 0u; j < i; j++) {
            var sum = system[i * UNKNOWNS + j];
            for (var k = 0u; k < j; k++) {
                sum -= lower[i * UNKNOWNS + k] * lower[j * UNKNOWNS + k];
            }
            lower[i * UNKNOWNS + j] = sum / lower[j * UNKNOWNS + j];
        }
        var rest = square + RIDGE * square;
        var right = system[UNKNOWNS * UNKNOWNS + i];
        for (var k = 0u; k < i; k++) {
            rest -= lower[i * UNKNOWNS + k] * lower[i * UNKNOWNS + k];
            right -= lower[i * UNKNOWNS + k] * solution[k];
        }
        // What changes nothing stays as it is.
        rest = select(rest, vec4f(1.0), square == vec4f(0.0));
        is_definite = is_definite & (rest > vec4f(0.0));
        let root = sqrt(select(vec4f(1.0), rest, rest > vec4f(0.0)));
        lower[i * UNKNOWNS + i] = root;
        solution[i] = right / root;
    }
    for (var n = 0u; n < count; n++) {
        let i = count - 1u - n;
        var right = solution[i];
        for (var k = i + 1u; k < count; k++) {
            right -= lower[k * UNKNOWNS + i] * solution[k];
        }
        solution[i] = right / lower[i * UNKNOWNS + i];
    }
    return is_definite;
}

// The step to the number that can be stored.
fn storable(number: vec4f, step: vec4f, is_min: bool) -> vec4f {
    let exact = number + step;
    var wanted: vec4f;
    //#unroll
    for (var r = 0u; r < 4u; r++) {
        wanted[r] = f16_decode(f16_encode_scale(exact[r]));
    }
    // A super-block's minimums are above 0 in every reader's eyes.
    return select(wanted - number, vec4f(0.0), vec4<bool>(is_min && HAS_MINS) & (wanted < vec4f(0.0)));
}

// Leaves the steps in `solution`: none where they lower no cost.
fn choose_steps(count: u32) {
    var is_better = solve(count);
    for (var i = 0u; i < count; i++) {
        let block = i / KINDS;
        let is_min = i % KINDS == 1u;
        solution[i] = storable(select(d[block], dmin[block], is_min), solution[i], is_min);
    }
    var cost = vec4f(0.0);
    var size = vec4f(0.0);
    for (var i = 0u; i < count; i++) {
        var product = vec4f(0.0);
        for (var j = 0u; j < count; j++) {
            product += system[i * UNKNOWNS + j] * solution[j];
        }
        let right = 2.0 * system[UNKNOWNS * UNKNOWNS + i];
        cost += solution[i] * (product - right);
        size += abs(solution[i]) * (abs(product) + abs(right));
    }
    is_better = is_better & (cost < -NOTHING * size);
    for (var i = 0u; i < count; i++) {
        let step = select(vec4f(0.0), solution[i], is_better);
        solution[i] = step;
        if i % KINDS == 1u {
            dmin[i / KINDS] += step;
        } else {
            d[i / KINDS] += step;
        }
    }
}

fn refit() {
    // What sub-blocks store was written.
    workgroupBarrier();
    let is_there = 4u * own < params.width;
    let s = select(0u, 4u * own / SUB, is_there);
    //#unroll
    for (var k = 0u; k < OWN; k++) {
        changes[0][4u * own + k] = select(vec4f(0.0), scales[s] * levels[k], is_there);
        if KINDS > 1u {
            changes[KINDS - 1u][4u * own + k] = select(vec4f(0.0), -mins[s], is_there);
        }
    }
    workgroupBarrier();
    let count = params.width / BLOCK * KINDS;
    for (var n = 0u; n < count; n++) {
        let first = n / KINDS * BLOCK;
        //#unroll
        for (var k = 0u; k < OWN; k++) {
            sums[k] = vec4f(0.0);
        }
        for (var i = first; i < first + BLOCK; i++) {
            let direction = changes[n % KINDS][i];
            let quad = h_quad(i);
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                sums[k] += direction * quad[k];
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
    if is_there {
        for (var kind = 0u; kind < KINDS; kind++) {
            let step = solution[4u * own / BLOCK * KINDS + kind];
            //#unroll
            for (var k = 0u; k < OWN; k++) {
                change[k] += step * changes[kind][4u * own + k];
            }
        }
    }
    for (var n = 0u; n < count; n++) {
        has_moved = has_moved | (solution[n] != vec4f(0.0));
    }
}
