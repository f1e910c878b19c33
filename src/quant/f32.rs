//! F32.

use super::Format;

/// F32.
pub static F32: Format = Format {
    name: "F32",
    ggml_type: 0,
    block_weights: 1,
    block_bytes: 4,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
