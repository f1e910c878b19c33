//! Q6_K.

use super::Format;

/// Q6_K.
pub static Q6_K: Format = Format {
    name: "Q6_K",
    ggml_type: 14,
    block_weights: 256,
    block_bytes: 210,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
