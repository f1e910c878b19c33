// Q2_K: two sub-blocks.
//#include shared/blocks.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 84u;
    let d = scale_at(bytes + 80u);
    let dmin = scale_at(bytes + 82u);
    let scales = half_at(bytes + 2u * s);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let scale = byte_of(scales, w / 4u);
        let codes = (word_at(bytes + 16u + s / 4u * 32u + 4u * w) >> (2u * (s % 4u))) & 0x03030303u;
        put(w, d * f32(scale & 15u) * vec4f(unpack4xU8(codes)) - dmin * f32(scale >> 4u));
    }
}
