// Q8_0: a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    let at = part * 34u;
    let d = scale_at(at);
    // Codes begin at an even byte: each word of them is made of two of the input's.
    let first = (at + 2u) >> 2u;
    let shift = ((at + 2u) & 2u) << 3u;
    var word = input[first];
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        var codes = word;
        if shift == 16u || w < 7u {
            word = input[first + w + 1u];
        }
        if shift == 16u {
            codes = (codes >> 16u) | (word << 16u);
        }
        put(w, vec4f(unpack4xI8(codes)) * d);
    }
}
