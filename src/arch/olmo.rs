//! OLMo 1: norms without weights, and queries, keys and values that are clamped.

use super::parts::{GATED_MLP, OUTPUT, PAIRED_ATTENTION, TOKEN_EMBEDDING};
use super::{Arch, Class, Fill};

pub(super) static OLMO: Arch = Arch {
    name: "olmo",
    title: "OLMo",
    classes: &[Class::new(
        &["OlmoForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(2048)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    )],
    outside: &[&[TOKEN_EMBEDDING, OUTPUT]],
    layer: &[PAIRED_ATTENTION, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        keys.number("attention.layer_norm_epsilon", 1e-5);
        keys.number_from(config, "attention.clamp_kqv", &["clip_qkv"])
    },
    ..Arch::BASE
};
