//! OLMo with experts: each as wide as the MLP would be, and norms on q and k as a whole.

use super::Dim::{Experts, FeedForward, Hidden, Key, Query};
use super::parts::{ATTENTION, NORMS};
use super::{Arch, Class, Fill, Rule};

pub(super) static OLMOE: Arch = Arch {
    name: "olmoe",
    title: "OLMoE",
    classes: &[Class::new(
        &["OlmoeForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(4096)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("rope_theta", Fill::Real(10_000.0)),
            ("num_experts_per_tok", Fill::Whole(8)),
            ("num_experts", Fill::Whole(64)),
        ],
    )],
    layer: &[NORMS, ATTENTION, WHOLE_NORMS, EXPERTS],
    keys: |config, keys| {
        keys.common(config)?;
        keys.number("attention.layer_norm_rms_epsilon", 1e-5);
        Ok(())
    },
    ..Arch::BASE
};

/// Norms on all of q and all of k.
pub(super) const WHOLE_NORMS: &[Rule] = &[
    Rule::weight("self_attn.q_norm", "attn_q_norm", &[Query]),
    Rule::weight("self_attn.k_norm", "attn_k_norm", &[Key]),
];

const EXPERTS: &[Rule] = &[
    Rule::weight("mlp.gate", "ffn_gate_inp", &[Hidden, Experts]),
    Rule::weight("mlp.experts.{}.gate_proj", "ffn_gate_exps", &[Hidden, FeedForward, Experts]),
    Rule::weight("mlp.experts.{}.up_proj", "ffn_up_exps", &[Hidden, FeedForward, Experts]),
    Rule::weight("mlp.experts.{}.down_proj", "ffn_down_exps", &[FeedForward, Hidden, Experts]),
];
