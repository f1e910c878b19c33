// Rows times a matrix, for drivers that run shaders on the processor: 8 tokens and 8 outputs an invocation, no workgroup
// memory, for barriers are what costs there.
//#include shared/number/f32.wgsl
//#include shared/multiply.wgsl

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(id, groups) * 64u + lane;
    if number >= params.count {
        return;
    }
    let token = number / params.across * 8u;
    let out = number % params.across * 8u;
    // Beyond the last row another is computed again, and not stored.
    var x: array<u32, 8>;
    var w: array<u32, 8>;
    for (var i = 0u; i < 8u; i++) {
        x[i] = params.x_first + min(token + i, params.tokens - 1u) * params.x_step;
        w[i] = params.w_first + min(out + i, params.outputs - 1u) * params.w_step;
    }
    var sums: array<vec4f, 16>;
    for (var k = 0u; k < params.inputs; k++) {
        let w0 = matrix[w[0] + k];
        let w1 = matrix[w[1] + k];
        let w2 = matrix[w[2] + k];
        let w3 = matrix[w[3] + k];
        let w4 = matrix[w[4] + k];
        let w5 = matrix[w[5] + k];
        let w6 = matrix[w[6] + k];
        let w7 = matrix[w[7] + k];
        for (var i = 0u; i < 8u; i++) {
            let a = rows[x[i] + k];
            sums[2u * i] += vec4f(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3));
            sums[2u * i + 1u] += vec4f(dot(a, w4), dot(a, w5), dot(a, w6), dot(a, w7));
        }
    }
    for (var i = 0u; i < 16u; i++) {
        for (var j = 0u; j < 4u; j++) {
            store(token + i / 2u, out + i % 2u * 4u + j, sums[i][j]);
        }
    }
}
