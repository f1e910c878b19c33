// The 16 weights of a sub-block, in registers; see weights32.wgsl.
//#include shared/source.wgsl

var<private> x: array<vec4f, 4>;

fn load(sub_block: u32) {
    let first = sub_block * 4u;
    x[0] = weights(first);
    x[1] = weights(first + 1u);
    x[2] = weights(first + 2u);
    x[3] = weights(first + 3u);
}
