//! Qwen 3, dense: a norm on each head's q and k instead of biases, and a head size of its own.

use super::parts::{ATTENTION, GATED_MLP, HEAD_NORMS, NORMS};
use super::{Arch, Class, Fill};

pub(super) static QWEN3: Arch = Arch {
    name: "qwen3",
    title: "Qwen 3",
    classes: &[Class::new(
        &["Qwen3ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("head_dim", Fill::Whole(128)),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    )],
    layer: &[NORMS, ATTENTION, HEAD_NORMS, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        keys.pooling(config)
    },
    ..Arch::BASE
};
