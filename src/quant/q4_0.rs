//! Q4_0.

use super::Format;

/// Q4_0.
pub static Q4_0: Format = Format {
    name: "Q4_0",
    ggml_type: 2,
    block_weights: 32,
    block_bytes: 18,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
