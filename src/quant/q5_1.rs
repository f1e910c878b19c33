//! Q5_1.

use super::Format;

/// Q5_1.
pub static Q5_1: Format = Format {
    name: "Q5_1",
    ggml_type: 7,
    block_weights: 32,
    block_bytes: 24,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
