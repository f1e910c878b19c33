// Q1_0 to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 4u;
    if block >= params.blocks {
        return;
    }
    let s = part % 4u;
    let bytes = block * 18u;
    let d = scale_at(bytes);
    let bits = word_at(bytes + 2u + 4u * s);
    for (var i = 0u; i < 32u; i++) {
        write(part * 32u + i, select(-d, d, ((bits >> i) & 1u) == 1u));
    }
}
