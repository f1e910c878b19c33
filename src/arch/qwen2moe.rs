//! Qwen 2 with experts (Qwen 1.5 MoE, Qwen 2 57B-A14B): a shared expert with a gate of its own.

use super::Dim::{Fixed, Hidden, SharedFeedForward};
use super::parts::{BIASED_ATTENTION, EXPERT_MLP, NORMS};
use super::{Arch, Class, Config, Fill, Keys, Rule};
use crate::checkpoint::OpenError;

pub(super) static QWEN2MOE: Arch = Arch {
    name: "qwen2moe",
    title: "Qwen 2 MoE",
    classes: &[Class::new(
        &["Qwen2MoeForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("moe_intermediate_size", Fill::Whole(1408)),
            ("shared_expert_intermediate_size", Fill::Whole(5632)),
            ("num_experts_per_tok", Fill::Whole(4)),
            ("num_experts", Fill::Whole(60)),
        ],
    )],
    layer: &[NORMS, BIASED_ATTENTION, EXPERT_MLP, SHARED_EXPERT],
    keys,
    ..Arch::BASE
};

const SHARED_EXPERT: &[Rule] = &[
    Rule::weight("mlp.shared_expert_gate", "ffn_gate_inp_shexp", &[Hidden, Fixed(1)]),
    Rule::weight("mlp.shared_expert.gate_proj", "ffn_gate_shexp", &[Hidden, SharedFeedForward]),
    Rule::weight("mlp.shared_expert.up_proj", "ffn_up_shexp", &[Hidden, SharedFeedForward]),
    Rule::weight("mlp.shared_expert.down_proj", "ffn_down_shexp", &[SharedFeedForward, Hidden]),
];

/// The common keys and the widths of experts.
pub(super) fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    keys.common(config)?;
    keys.whole_from(config, "expert_feed_forward_length", &["moe_intermediate_size"])?;
    keys.whole_from(config, "expert_shared_feed_forward_length", &["shared_expert_intermediate_size"])
}
