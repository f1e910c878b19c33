//! F16.

use super::Format;

/// F16.
pub static F16: Format = Format {
    name: "F16",
    ggml_type: 1,
    block_weights: 1,
    block_bytes: 2,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
