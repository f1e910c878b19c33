// The search of TQ1_0 and TQ2_0: 256 weights as -1, 0 or 1 times one scale; step for step src/quant/ternary.rs.
//#include shared/scaled_group.wgsl

const GROUP: u32 = 8u;
const BLOCKS: u32 = 8u;
const STEPS: u32 = 9u;

// In inverse mean magnitudes; the first is replaced by the inverse of the largest.
var<private> steps: array<f32, 9> = array<f32, 9>(0.0, 1.6, 1.25, 1.0, 0.85, 0.75, 0.65, 0.57, 0.5);

// Codes + 1, four a word, in the order of the weights.
var<workgroup> codes: array<u32, 8 * WORKGROUP>;

fn nearest(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(-1.0), vec4f(1.0)));
}

// Leaves the codes, returns the f16 bits of the scale.
fn search(lane: u32, part: u32) -> u32 {
    load(part);
    let size = block_extreme(lane);
    let inverse_mean = inverse(size.y * (1.0 / 256.0));
    var inverses: array<f32, STEPS>;
    inverses[0] = inverse(abs(size.x));
    for (var i = 1u; i < STEPS; i++) {
        inverses[i] = exact(steps[i] * inverse_mean);
    }
    let d = block_scale(lane, &inverses);
    let inverse_scale = inverse(f16_decode(d));
    for (var w = 0u; w < 8u; w++) {
        codes[8u * lane + w] = pack4(nearest(exact4(x[w] * inverse_scale)) + 1.0);
    }
    workgroupBarrier();
    return d;
}
