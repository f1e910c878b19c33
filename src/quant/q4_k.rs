//! Q4_K.

use super::Format;

/// Q4_K.
pub static Q4_K: Format = Format {
    name: "Q4_K",
    ggml_type: 12,
    block_weights: 256,
    block_bytes: 144,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
