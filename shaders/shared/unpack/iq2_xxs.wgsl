// IQ2_XXS: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq2.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let block = part / 8u * 66u;
    let bytes = block + 2u + 8u * s;
    let bits = word_at(bytes + 4u);
    let scale = scale_at(block) * (0.5 + f32(bits >> 28u)) * 0.25;
    //#unroll
    for (var j = 0u; j < 4u; j++) {
        let point = byte_at(bytes + j);
        let signs = eight_signs(bits >> (7u * j));
        put(2u * j, point_weights(scale, point, 0u, signs));
        put(2u * j + 1u, point_weights(scale, point, 4u, signs));
    }
}
