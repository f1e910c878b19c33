// IQ3_XXS: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq3_xxs.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 98u;
    let bits = word_at(bytes + 66u + 4u * s);
    let scale = scale_at(bytes) * (0.5 + f32(bits >> 28u)) * 0.5;
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let point = byte_at(bytes + 2u + 8u * s + w);
        let signs = eight_signs(bits >> (w / 2u * 7u)) >> (w % 2u * 4u);
        put(w, point_weights(scale, point, 0u, signs));
    }
}
