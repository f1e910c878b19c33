//! Q4_1.

use super::Format;

/// Q4_1.
pub static Q4_1: Format = Format {
    name: "Q4_1",
    ggml_type: 3,
    block_weights: 32,
    block_bytes: 20,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
