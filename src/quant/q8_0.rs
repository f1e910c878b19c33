//! Q8_0.

use super::Format;

/// Q8_0.
pub static Q8_0: Format = Format {
    name: "Q8_0",
    ggml_type: 8,
    block_weights: 32,
    block_bytes: 34,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
