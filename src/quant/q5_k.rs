//! Q5_K.

use super::Format;

/// Q5_K.
pub static Q5_K: Format = Format {
    name: "Q5_K",
    ggml_type: 13,
    block_weights: 256,
    block_bytes: 176,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
