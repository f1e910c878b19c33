//! BF16.

use super::Format;

/// BF16.
pub static BF16: Format = Format {
    name: "BF16",
    ggml_type: 30,
    block_weights: 1,
    block_bytes: 2,
    about: "",
    quantize: |_, _| {},
    dequantize: |_, _| {},
};
