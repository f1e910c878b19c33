//! Qwen 2 and 2.5, dense: biases on q, k and v, rope in Hugging Face's order.

use super::parts::{BIASED_ATTENTION, GATED_MLP, NORMS};
use super::{Arch, Class, Fill};

pub(super) static QWEN2: Arch = Arch {
    name: "qwen2",
    title: "Qwen 2",
    classes: &[Class::new(
        &["Qwen2ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Whole(32)),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    )],
    layer: &[NORMS, BIASED_ATTENTION, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        keys.pooling(config)
    },
    ..Arch::BASE
};
