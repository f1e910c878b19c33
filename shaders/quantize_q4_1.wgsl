// Q4_1: a block an invocation, five words.
//#include shared/convert.wgsl
//#include shared/pack.wgsl
//#include shared/affine_block.wgsl

const TOP: f32 = 15.0;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    at = block * 5u;
    let fit = put_fit(block);
    for (var w = 0u; w < 4u; w++) {
        put(affine_word(w, fit.x, fit.y) | (affine_word(w + 4u, fit.x, fit.y) << 4u));
    }
}
