// TQ1_0: an eighth of a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 8u;

var<private> POWERS: array<u32, 5> = array<u32, 5>(1u, 3u, 9u, 27u, 81u);

// Five digits in each of 32 bytes, then of 16, then four in each of 4.
fn digit(bytes: u32, at: u32) -> f32 {
    var byte = at % 32u;
    var digit = at / 32u;
    if at >= 240u {
        byte = 48u + at % 4u;
        digit = (at - 240u) / 4u;
    } else if at >= 160u {
        byte = 32u + at % 16u;
        digit = (at - 160u) / 16u;
    }
    let rest = (byte_at(bytes + byte) * POWERS[digit]) & 0xffu;
    return f32((rest * 3u) >> 8u) - 1.0;
}

fn unpack(part: u32) {
    let bytes = part / 8u * 54u;
    let d = scale_at(bytes + 52u);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let at = part % 8u * 32u + 4u * w;
        put(w, d * vec4f(digit(bytes, at), digit(bytes, at + 1u), digit(bytes, at + 2u), digit(bytes, at + 3u)));
    }
}
