// Rows times a matrix, for drivers that run shaders on the processor: 16 tokens and 4 outputs an invocation, no workgroup
// memory, for barriers are what costs there. A workgroup has 16 tokens, so that what it reads of them is read once.
//#include shared/number/f32.wgsl
//#include shared/multiply.wgsl

const TOKENS: u32 = 16u;
const WORKGROUP: u32 = 32u;

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let group = group_number(id, groups);
    let token = group / params.across * TOKENS;
    let out = (group % params.across * WORKGROUP + lane) * 4u;
    if group >= params.count || out >= params.outputs {
        return;
    }
    // Beyond the last row another is computed again, and not stored.
    var x: array<u32, TOKENS>;
    for (var i = 0u; i < TOKENS; i++) {
        x[i] = params.x_first + min(token + i, params.tokens - 1u) * params.x_step;
    }
    let last = params.outputs - 1u;
    let w = vec4u(params.w_first) + min(vec4u(out, out + 1u, out + 2u, out + 3u), vec4u(last)) * params.w_step;
    var sums: array<vec4f, TOKENS>;
    for (var k = 0u; k < params.inputs; k++) {
        let w0 = matrix[w.x + k];
        let w1 = matrix[w.y + k];
        let w2 = matrix[w.z + k];
        let w3 = matrix[w.w + k];
        for (var i = 0u; i < TOKENS; i++) {
            let a = rows[x[i] + k];
            sums[i] += vec4f(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3));
        }
    }
    for (var i = 0u; i < TOKENS; i++) {
        for (var j = 0u; j < 4u; j++) {
            store(token + i, out + j, sums[i][j]);
        }
    }
}
