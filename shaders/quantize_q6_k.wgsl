// Q6_K: two super-blocks an invocation, which are 105 words.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl
//#include shared/symmetric.wgsl

const HALF: f32 = 32.0;
const COUNT: u32 = 16u;
const SUPER_ROUNDS: u32 = 1u;

// Four codes a word, in the order of the weights.
var<private> codes: array<u32, 64>;
var<private> scales: array<f32, 16>;

// Sub-block scales have eight bits.
fn storable(scale: f32, d: f32) -> f32 {
    return round(clamp(scale * inverse(d), -128.0, 127.0));
}

// Finds scales and codes, step for step `symmetric_super` in src/quant/search.rs, and returns the f16 bits of d.
fn search(block: u32) -> u32 {
    var fit: array<f32, 16>;
    var size = 0.0;
    var d = 0.0;
    var d_bits = 0u;
    for (var pass_ = 0u; pass_ < SUPER_ROUNDS + 2u; pass_++) {
        if pass_ == SUPER_ROUNDS + 1u {
            d_bits = f16_encode_scale(d);
            d = f16_decode(d_bits);
        }
        var p: vec2f;
        var a: vec2f;
        for (var s = 0u; s < 16u; s++) {
            load(block * 16u + s);
            if pass_ == 0u {
                let sums = symmetric();
                fit[s] = sums.xl * inverse(sums.ll);
                if abs(fit[s]) > size {
                    size = abs(fit[s]);
                    d = fit[s] / -128.0;
                }
                continue;
            }
            scales[s] = storable(fit[s], d);
            let inverse_scale = inverse(d * scales[s]);
            if pass_ == SUPER_ROUNDS + 1u {
                for (var w = 0u; w < 4u; w++) {
                    codes[4u * s + w] = symmetric_word(w, inverse_scale);
                }
                continue;
            }
            let sums = symmetric_sums(inverse_scale);
            fit[s] = sums.xl * inverse(sums.ll);
            p[s / 8u] += scales[s] * sums.xl;
            a[s / 8u] += scales[s] * scales[s] * sums.ll;
        }
        if a.x + a.y > 0.0 {
            d = (p.x + p.y) / (a.x + a.y);
        }
    }
    return d_bits;
}

fn quantize(block: u32) {
    let d = search(block);
    for (var half = 0u; half < 64u; half += 32u) {
        for (var i = half; i < half + 16u; i++) {
            put((codes[i] & 0x0f0f0f0fu) | ((codes[i + 16u] & 0x0f0f0f0fu) << 4u));
        }
    }
    for (var half = 0u; half < 64u; half += 32u) {
        for (var i = half; i < half + 8u; i++) {
            var word = 0u;
            for (var j = 0u; j < 4u; j++) {
                word |= ((codes[i + 8u * j] >> 4u) & 0x03030303u) << (2u * j);
            }
            put(word);
        }
    }
    for (var s = 0u; s < 16u; s += 4u) {
        put(pack4xI8(vec4i(i32(scales[s]), i32(scales[s + 1u]), i32(scales[s + 2u]), i32(scales[s + 3u]))));
    }
    put_half(d);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 2u * number(id, groups);
    at = first / 2u * 105u;
    for (var block = first; block < min(first + 2u, params.blocks); block++) {
        quantize(block);
    }
    finish();
}
