// The 32 weights of a block or sub-block, in registers.
//#include shared/source.wgsl

var<private> x: array<vec4f, 8>;

// Written out, for a compiler that does not unroll it keeps the weights in memory, which costs twice the time.
fn load(block: u32) {
    let first = block * 8u;
    x[0] = weights(first);
    x[1] = weights(first + 1u);
    x[2] = weights(first + 2u);
    x[3] = weights(first + 3u);
    x[4] = weights(first + 4u);
    x[5] = weights(first + 5u);
    x[6] = weights(first + 6u);
    x[7] = weights(first + 7u);
}
