//! Qwen 3 with experts: norms on q and k, no shared expert.

use super::parts::{ATTENTION, EXPERT_MLP, HEAD_NORMS, NORMS};
use super::{Arch, Class, Fill, qwen2moe};

pub(super) static QWEN3MOE: Arch = Arch {
    name: "qwen3moe",
    title: "Qwen 3 MoE",
    classes: &[Class::new(
        &["Qwen3MoeForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Whole(4)),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("moe_intermediate_size", Fill::Whole(768)),
            ("num_experts_per_tok", Fill::Whole(8)),
            ("num_experts", Fill::Whole(128)),
        ],
    )],
    layer: &[NORMS, ATTENTION, HEAD_NORMS, EXPERT_MLP],
    keys: qwen2moe::keys,
    ..Arch::BASE
};
