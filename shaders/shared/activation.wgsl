// Activations by their number: `Activation` in src/forward/mod.rs, in its order.

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(x, -87.0, 87.0)));
}

// (1 + tanh y) / 2 = sigmoid(2 y), and the built-in one overflows on some devices.
fn hyperbolic_tangent(x: f32) -> f32 {
    let y = clamp(x, -15.0, 15.0);
    // The series, where the difference of two numbers near 1 would lose its digits.
    let square = y * y;
    let small = y * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0 - square * (17.0 / 315.0))));
    return select(2.0 * sigmoid(2.0 * y) - 1.0, small, abs(y) < 0.25);
}

fn activate(kind: u32, x: f32) -> f32 {
    switch kind {
        case 0u: {
            return x * sigmoid(x);
        }
        case 1u: {
            return x * sigmoid(2.0 * 0.7978846 * x * (1.0 + 0.044715 * x * x));
        }
        case 2u: {
            return max(x, 0.0) * max(x, 0.0);
        }
        case 3u: {
            return sigmoid(x);
        }
        default: {
            return min(x, 7.0) * sigmoid(1.702 * min(x, 7.0));
        }
    }
}

fn gated(kind: u32, gate: f32, up: f32) -> f32 {
    // Clamped SwiGLU bounds its other half, too.
    return activate(kind, gate) * select(up, clamp(up, -7.0, 7.0) + 1.0, kind == 4u);
}
