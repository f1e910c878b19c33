//! Gemma 1: norms are stored as their distance from 1, and the output is always the token embedding.

use super::parts::{ATTENTION, GATED_MLP, NORMS, OUTSIDE};
use super::{Arch, Class, Config, Fill, Keys, Rule};
use crate::checkpoint::OpenError;

pub(super) static GEMMA: Arch = Arch {
    name: "gemma",
    title: "Gemma",
    classes: &[Class::new(
        &["GemmaForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(8192)),
            ("num_key_value_heads", Fill::Whole(16)),
            ("head_dim", Fill::Whole(256)),
            ("rms_norm_eps", Fill::Real(1e-6)),
        ],
    )],
    outside: &[GEMMA_OUTSIDE],
    layer: &[&[NORMS[0].plus(1.0), NORMS[1].plus(1.0)], ATTENTION, GATED_MLP],
    dropped: &["lm_head."],
    keys,
    ..Arch::BASE
};

/// Token embedding and last norm.
pub(super) const GEMMA_OUTSIDE: &[Rule] = &[OUTSIDE[0], OUTSIDE[1].plus(1.0)];

/// The keys of Gemma 1 and 2.
pub(super) fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    keys.whole("context_length", config.required(&["max_position_embeddings"])?);
    keys.whole("embedding_length", config.required(&["hidden_size"])?);
    keys.whole("block_count", config.layers()?);
    keys.whole("feed_forward_length", config.required(&["intermediate_size"])?);
    keys.whole("attention.head_count", config.required(&["num_attention_heads"])?);
    keys.whole("attention.head_count_kv", config.required(&["num_key_value_heads", "num_attention_heads"])?);
    keys.number("attention.layer_norm_rms_epsilon", config.required_number(&["rms_norm_eps"])?);
    keys.whole("attention.key_length", config.head()?);
    keys.whole("attention.value_length", config.head()?);
    keys.file_type();
    Ok(())
}
