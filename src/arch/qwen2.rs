//! Qwen 2 and 2.5, dense: biases on q, k and v, rope in Hugging Face's order.

use super::parts::{ATTENTION, GATED_MLP, NORMS};
use super::{Arch, Class, Fill, Rule};

/// Attention with biases on q, k and v.
pub(super) const BIASED_ATTENTION: &[Rule] =
    &[ATTENTION[0].biased(), ATTENTION[1].biased(), ATTENTION[2].biased(), ATTENTION[3]];

pub(super) static QWEN2: Arch = Arch {
    name: "qwen2",
    title: "Qwen 2",
    classes: &[Class {
        architectures: &["Qwen2ForCausalLM"],
        defaults: &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    }],
    layer: &[NORMS, BIASED_ATTENTION, GATED_MLP],
    ..Arch::BASE
};
