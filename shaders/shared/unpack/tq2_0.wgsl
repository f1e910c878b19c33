// TQ2_0: an eighth of a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 66u;
    let d = scale_at(bytes + 64u);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let codes = (word_at(bytes + s / 4u * 32u + 4u * w) >> (2u * (s % 4u))) & 0x03030303u;
        put(w, d * (vec4f(unpack4xU8(codes)) - 1.0));
    }
}
