// Arithmetic that rounds alike on every device. Shading languages let a compiler fuse a product with the sum it goes
// into, and let a division be a few units off; then two codes that are as good as each other are chosen differently.
// The including shader declares `fuses`, whether this device's compiler has to be kept from it, and params.zero.

// A number, computed before anything is done with it: no compiler knows that the parameter is zero.
fn kept(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) ^ params.zero);
}

// A product, rounded before it goes into a sum or another product.
fn exact(product: f32) -> f32 {
    if fuses {
        return kept(product);
    }
    return product;
}

fn exact4(product: vec4f) -> vec4f {
    if fuses {
        return bitcast<vec4f>(bitcast<vec4u>(product) ^ vec4u(params.zero));
    }
    return product;
}

// a / b to the nearest float, where a, b and the quotient are normal: the device's own quotient of the mantissas, put
// right by its remainder, of which the low 32 bits are enough.
fn quotient(a: f32, b: f32) -> f32 {
    let own = a / b;
    let a_bits = bitcast<u32>(a);
    let b_bits = bitcast<u32>(b);
    let a_exponent = (a_bits >> 23u) & 255u;
    let b_exponent = (b_bits >> 23u) & 255u;
    let exponent = i32(a_exponent) - i32(b_exponent) + 127;
    if !fuses || min(a_exponent, b_exponent) == 0u || max(a_exponent, b_exponent) == 255u || exponent < 2 || exponent > 253 {
        return own;
    }
    let n = (a_bits & 0x7fffffu) | 0x800000u;
    let d = (b_bits & 0x7fffffu) | 0x800000u;
    // 24 bits of quotient: one more place where the mantissa alone would give 23.
    let below = select(0u, 1u, n < d);
    let scaled = f32(n) / f32(d) * select(8388608.0, 16777216.0, below == 1u);
    var q = clamp(u32(scaled), 0x800000u, 0xffffffu);
    var rest = i32((n << (23u + below)) - q * d);
    let half = i32(d);
    for (var i = 0u; i < 4u; i++) {
        let up = 2 * rest > half;
        let down = 2 * rest < -half;
        q = select(select(q, q - 1u, down), q + 1u, up);
        rest = select(select(rest, rest + half, down), rest - half, up);
    }
    let bits = (u32(exponent - i32(below)) << 23u) + (q - 0x800000u);
    return bitcast<f32>(bits | ((a_bits ^ b_bits) & 0x80000000u));
}

// 1 / v, or 0 where v is 0: the inverse of a scale.
fn inverse(v: f32) -> f32 {
    return select(quotient(1.0, v), 0.0, v == 0.0);
}
