// NVFP4: two sub-blocks.
//#include shared/blocks.wgsl
//#include shared/fp4_levels.wgsl
//#include shared/ue4m3.wgsl
const PARTS: u32 = 2u;

fn unpack(part: u32) {
    let bytes = part / 2u * 36u;
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let sub = part % 2u * 2u + w / 2u;
        let d = half_scale(byte_at(bytes + sub));
        let codes = word_at(bytes + 4u + 8u * sub + 4u * (w % 2u));
        put(w / 2u * 4u + w % 2u, d * level_weights(codes));
        put(w / 2u * 4u + w % 2u + 2u, d * level_weights(codes >> 4u));
    }
}
