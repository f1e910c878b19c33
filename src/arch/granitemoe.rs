//! Granite with experts: gate and way up are one matrix an expert, and one for what every token sees.

use super::Dim::{Experts, FeedForward, GateUp, Hidden, SharedFeedForward, SharedGateUp};
use super::arrange::{first_half, second_half};
use super::parts::{NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Fill, Rule, granite, rope};

pub(super) static GRANITEMOE: Arch = Arch {
    name: "granitemoe",
    title: "Granite MoE",
    classes: &[Class::new(
        &["GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(2048)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("attention_multiplier", Fill::Real(1.0)),
            ("embedding_multiplier", Fill::Real(1.0)),
            ("residual_multiplier", Fill::Real(1.0)),
            ("logits_scaling", Fill::Real(1.0)),
            ("num_local_experts", Fill::Whole(8)),
            ("num_experts_per_tok", Fill::Whole(2)),
        ],
    )],
    layer: &[NORMS, PAIRED_ATTENTION, EXPERTS, SHARED],
    keys: |config, keys| {
        granite::keys(config, keys)?;
        if let Some(width) = config.count("shared_intermediate_size")?.filter(|width| *width > 0) {
            keys.whole("expert_shared_feed_forward_length", width);
        }
        Ok(())
    },
    computed: rope::llama3,
    ..Arch::BASE
};

const EXPERTS: &[Rule] = &[
    Rule::weight("block_sparse_moe.router.layer", "ffn_gate_inp", &[Hidden, Experts]),
    Rule::weight("block_sparse_moe.input_linear", "ffn_gate_exps", &[Hidden, FeedForward, Experts])
        .stored(&[Hidden, GateUp, Experts])
        .arranged(first_half),
    Rule::weight("block_sparse_moe.input_linear", "ffn_up_exps", &[Hidden, FeedForward, Experts])
        .stored(&[Hidden, GateUp, Experts])
        .arranged(second_half),
    Rule::weight("block_sparse_moe.output_linear", "ffn_down_exps", &[FeedForward, Hidden, Experts]),
];

const SHARED: &[Rule] = &[
    Rule::weight("shared_mlp.input_linear", "ffn_gate_shexp", &[Hidden, SharedFeedForward])
        .stored(&[Hidden, SharedGateUp])
        .arranged(first_half)
        .optional(),
    Rule::weight("shared_mlp.input_linear", "ffn_up_shexp", &[Hidden, SharedFeedForward])
        .stored(&[Hidden, SharedGateUp])
        .arranged(second_half)
        .optional(),
    Rule::weight("shared_mlp.output_linear", "ffn_down_shexp", &[SharedFeedForward, Hidden]).optional(),
];
