// What kernels share that multiply rows of activations with a matrix: y = x · wᵀ + bias.
//#include shared/forward.wgsl

struct Params {
    first: u32,
    count: u32,
    tokens: u32,
    outputs: u32,
    // Fours of numbers in a row.
    inputs: u32,
    // Where x begins, and how far its next row is, in fours of numbers; where the matrix does; where y does, in numbers.
    x_first: u32,
    x_step: u32,
    w_first: u32,
    w_step: u32,
    y_first: u32,
    y_step: u32,
    // 0 where there is no bias, else 1 more than its first.
    bias: u32,
    // 0 where the rows of x were not scaled, else 1 more than the first's inverse scale.
    scaled: u32,
    // Tiles along the outputs.
    across: u32,
    // 0 where products are stored; 1 where they are added to what is there, and 2 where they are taken off it.
    adds: u32,
}

@group(0) @binding(0) var<storage, read> matrix: array<Quad>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> rows: array<Quad>;
@group(0) @binding(4) var<storage, read> biases: array<f32>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;

// Four numbers of a row of x, and of the matrix; zeros beyond them.
fn x_quad(token: u32, k: u32) -> Quad {
    if token < params.tokens && k < params.inputs {
        return rows[params.x_first + token * params.x_step + k];
    }
    return Quad();
}

fn w_quad(out: u32, k: u32) -> Quad {
    if out < params.outputs && k < params.inputs {
        return matrix[params.w_first + out * params.w_step + k];
    }
    return Quad();
}

fn store(token: u32, out: u32, product: f32) {
    if token < params.tokens && out < params.outputs {
        var y = product;
        if params.scaled > 0u {
            y *= scales[params.scaled - 1u + token];
        }
        if params.bias > 0u {
            y += biases[params.bias - 1u + out];
        }
        let at = params.y_first + token * params.y_step + out;
        if params.adds == 1u {
            y = output[at] + y;
        } else if params.adds == 2u {
            y = output[at] - y;
        }
        output[at] = y;
    }
}

// The tile of tokens and the tile of outputs of a workgroup. Neighbours have few of either, so that what they read is still
// in caches.
fn tile_of(group: u32) -> vec2u {
    const BAND: u32 = 8u;
    let band = group / (BAND * params.across) * BAND;
    let height = min(BAND, params.count / params.across - band);
    let place = group - band * params.across;
    return vec2u(band + place % height, place / height);
}
