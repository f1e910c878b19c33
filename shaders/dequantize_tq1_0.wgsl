// TQ1_0 to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

var<private> POWERS: array<u32, 5> = array<u32, 5>(1u, 3u, 9u, 27u, 81u);

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 8u;
    if block >= params.blocks {
        return;
    }
    let s = part % 8u;
    let bytes = block * 54u;
    let d = scale_at(bytes + 52u);
    for (var i = 0u; i < 32u; i++) {
        // Five digits in each of 32 bytes, then of 16, then four in each of 4.
        var at = 32u * s + i;
        var byte = at % 32u;
        var digit = at / 32u;
        if at >= 240u {
            byte = 48u + at % 4u;
            digit = (at - 240u) / 4u;
        } else if at >= 160u {
            byte = 32u + at % 16u;
            digit = (at - 160u) / 16u;
        }
        let rest = (byte_at(bytes + byte) * POWERS[digit]) & 0xffu;
        write(part * 32u + i, d * (f32((rest * 3u) >> 8u) - 1.0));
    }
}
