//! Qwen 3, dense: a norm on each head's q and k instead of biases, and a head size of its own.

use super::parts::{ATTENTION, GATED_MLP, NORMS};
use super::{Arch, Class, Dim, Fill, Rule};

/// Norms of each head's q and k.
pub(super) const HEAD_NORMS: &[Rule] = &[
    Rule::weight("self_attn.q_norm", "attn_q_norm", &[Dim::Head]),
    Rule::weight("self_attn.k_norm", "attn_k_norm", &[Dim::Head]),
];

pub(super) static QWEN3: Arch = Arch {
    name: "qwen3",
    title: "Qwen 3",
    classes: &[Class {
        architectures: &["Qwen3ForCausalLM"],
        defaults: &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("head_dim", Fill::Whole(128)),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    }],
    layer: &[NORMS, ATTENTION, HEAD_NORMS, GATED_MLP],
    ..Arch::BASE
};
