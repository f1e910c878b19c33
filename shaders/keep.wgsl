// What a cache keeps of 32 numbers, in place: a block an invocation. Step for step src/cache/blocks.rs, fp8.rs and the reading of
// the formats in src/quant.
const fuses: bool = true;
//#include shared/forward.wgsl
//#include shared/rounding.wgsl
//#include shared/f16.wgsl

struct Params {
    first: u32,
    count: u32,
    // F16, then `Levels` of src/cache/blocks.rs, then FP8; and the bits of a code.
    way: u32,
    bits: u32,
    zero: u32,
    // Of them all.
    numbers: u32,
}

@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const NUMBERS: u32 = 32u;

// `kvalues_iq4nl` of ggml-common.h.
var<private> uneven: array<f32, 16> = array<f32, 16>(
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
);

// As a half, read again.
fn half_of(x: f32) -> f32 {
    return f16_decode(f16_encode(bitcast<u32>(x)));
}

// C's roundf: nearest, halves away from zero.
fn round_half_away(v: f32) -> f32 {
    let size = floor(abs(v));
    let up = select(0.0, 1.0, abs(v) - size >= 0.5);
    return select(size + up, -(size + up), v < 0.0);
}

// The number of largest magnitude from `at` on; the first of several.
fn extreme(at: u32) -> f32 {
    var found = 0.0;
    for (var i = 0u; i < NUMBERS; i++) {
        found = select(found, output[at + i], abs(output[at + i]) > abs(found));
    }
    return found;
}

fn bytes(at: u32) {
    let d = quotient(abs(extreme(at)), 127.0);
    let scale = inverse(d);
    let stored = half_of(d);
    for (var i = 0u; i < NUMBERS; i++) {
        // A code is a whole number, which has no zero with a sign.
        let code = i32(clamp(round_half_away(output[at + i] * scale), -128.0, 127.0)) + i32(params.zero);
        output[at + i] = f32(code) * stored;
    }
}

fn centred(at: u32) {
    let half = f32(1u << (params.bits - 1u));
    let d = quotient(extreme(at), -half);
    let scale = inverse(d);
    let stored = half_of(d);
    for (var i = 0u; i < NUMBERS; i++) {
        let code = min(floor(exact(output[at + i] * scale) + (half + 0.5)), 2.0 * half - 1.0);
        output[at + i] = (code - half) * stored;
    }
}

fn offset(at: u32) {
    var least = output[at];
    var most = output[at];
    for (var i = 1u; i < NUMBERS; i++) {
        least = min(least, output[at + i]);
        most = max(most, output[at + i]);
    }
    let top = f32((1u << params.bits) - 1u);
    let d = quotient(most - least, top);
    let scale = inverse(d);
    let stored = half_of(d);
    let minimum = half_of(least);
    for (var i = 0u; i < NUMBERS; i++) {
        let code = min(floor(exact(kept(output[at + i] - least) * scale) + 0.5), top);
        output[at + i] = exact(code * stored) + minimum;
    }
}

fn uneven_code(scaled: f32) -> u32 {
    var code = 0u;
    while code < 15u && kept(scaled - uneven[code]) >= kept(uneven[code + 1u] - scaled) {
        code++;
    }
    return code;
}

fn unevenly(at: u32) {
    let most = extreme(at);
    let scale = quotient(1.0, quotient(most, uneven[0]));
    var xq = 0.0;
    var qq = 0.0;
    for (var i = 0u; i < NUMBERS; i++) {
        let x = output[at + i];
        let level = uneven[uneven_code(exact(x * scale))];
        let weighted = exact(exact(x * x) * level);
        xq += exact(weighted * x);
        qq += exact(weighted * level);
    }
    var d = 0.0;
    if qq > 0.0 {
        d = quotient(xq, qq);
    }
    let stored = select(half_of(d), 0.0, abs(most) < 1e-15);
    for (var i = 0u; i < NUMBERS; i++) {
        output[at + i] = stored * uneven[uneven_code(exact(output[at + i] * scale))];
    }
}

// Eight bits with four of exponent and three of mantissa, to the nearest; ties to even.
fn fp8(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let magnitude = bits & 0x7fffffffu;
    let units = bitcast<u32>(bitcast<f32>(magnitude) + 16384.0) - bitcast<u32>(16384.0f);
    let small = bitcast<u32>(f32(units) * (1.0 / 512.0));
    let rounded = min((magnitude + 0x7ffffu + ((magnitude >> 20u) & 1u)) & 0xfff00000u, bitcast<u32>(448.0f));
    return bitcast<f32>(select(rounded, small, magnitude < (121u << 23u)) | (bits & 0x80000000u));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = group_number(id, groups) * 64u + lane;
    if block >= params.count {
        return;
    }
    let at = block * NUMBERS;
    switch params.way {
        case 1u: {
            bytes(at);
        }
        case 2u: {
            centred(at);
        }
        case 3u: {
            offset(at);
        }
        case 4u: {
            unevenly(at);
        }
        default: {
            for (var i = at; i < min(at + NUMBERS, params.numbers); i++) {
                if params.way == 0u {
                    output[i] = half_of(output[i]);
                } else {
                    output[i] = fp8(output[i]);
                }
            }
        }
    }
}
