//! Q5_0.

use super::Format;

/// Q5_0.
pub static Q5_0: Format = Format {
    name: "Q5_0",
    ggml_type: 6,
    block_weights: 32,
    block_bytes: 22,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
