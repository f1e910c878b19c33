//! Llama 2 and 3, tied or not, and the many models of their shape (SmolLM, TinyLlama, Yi...); Mistral; Mixtral.

use super::Dim::{Experts, FeedForward, Hidden};
use super::parts::{DENSE_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Config, Fill, Keys, Rule, rope};
use crate::checkpoint::OpenError;

pub(super) static LLAMA: Arch = Arch {
    name: "llama",
    title: "Llama",
    classes: &[
        Class::new(
            &["LlamaForCausalLM"],
            &[
                ("max_position_embeddings", Fill::Whole(2048)),
                ("num_key_value_heads", Fill::Same("num_attention_heads")),
                ("head_dim", Fill::Quotient("hidden_size", "num_attention_heads")),
                ("rms_norm_eps", Fill::Real(1e-6)),
                ("rope_theta", Fill::Real(10_000.0)),
            ],
        ),
        Class::new(&["MistralForCausalLM"], MISTRAL_DEFAULTS),
        Class::new(
            &["MixtralForCausalLM"],
            &[
                ("max_position_embeddings", Fill::Whole(131_072)),
                ("num_key_value_heads", Fill::Whole(8)),
                ("rms_norm_eps", Fill::Real(1e-5)),
                ("rope_theta", Fill::Real(1_000_000.0)),
                ("num_experts_per_tok", Fill::Whole(2)),
                ("num_local_experts", Fill::Whole(8)),
            ],
        ),
    ],
    layer: &[NORMS, PAIRED_ATTENTION, DENSE_MLP, MIXTRAL],
    keys,
    computed: rope::llama3,
    ..Arch::BASE
};

pub(super) const MISTRAL_DEFAULTS: &[(&str, Fill)] = &[
    ("max_position_embeddings", Fill::Whole(131_072)),
    ("num_key_value_heads", Fill::Whole(8)),
    ("rms_norm_eps", Fill::Real(1e-6)),
    ("rope_theta", Fill::Real(10_000.0)),
];

/// Mixtral's experts, which are as wide as an MLP.
const MIXTRAL: &[Rule] = &[
    Rule::weight("block_sparse_moe.gate", "ffn_gate_inp", &[Hidden, Experts]).sparse(),
    Rule::weight("block_sparse_moe.experts.{}.w1", "ffn_gate_exps", &[Hidden, FeedForward, Experts]).sparse(),
    Rule::weight("block_sparse_moe.experts.{}.w3", "ffn_up_exps", &[Hidden, FeedForward, Experts]).sparse(),
    Rule::weight("block_sparse_moe.experts.{}.w2", "ffn_down_exps", &[FeedForward, Hidden, Experts]).sparse(),
];

/// The keys of Llama and the families that come from it.
pub(super) fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    keys.common(config)?;
    keys.whole("vocab_size", config.required(&["vocab_size"])?);
    keys.whole("rope.dimension_count", config.head()?);
    Ok(())
}
