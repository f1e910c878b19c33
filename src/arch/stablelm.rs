//! StableLM 1 and 2: part of each head rotates; the larger ones have norms on each head's q and k.

use super::Dim::{Head, Heads, KvHeads};
use super::parts::{ATTENTION, BIASED_NORMS, BIASED_OUTSIDE, GATED_MLP};
use super::{Arch, Class, Fill, Rope, Rule};

pub(super) static STABLELM: Arch = Arch {
    name: "stablelm",
    title: "StableLM",
    classes: &[Class::new(
        &["StableLmForCausalLM", "StableLMEpochForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(4096)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("layer_norm_eps", Fill::Real(1e-5)),
            ("partial_rotary_factor", Fill::Real(0.25)),
            ("use_parallel_residual", Fill::Json("false")),
        ],
    )],
    outside: &[BIASED_OUTSIDE],
    layer: &[
        &[BIASED_NORMS[0], BIASED_NORMS[1].optional()],
        ATTENTION,
        &[
            Rule::weight("self_attn.q_layernorm.norms.{}", "attn_q_norm", &[Head, Heads]).optional(),
            Rule::weight("self_attn.k_layernorm.norms.{}", "attn_k_norm", &[Head, KvHeads]).optional(),
        ],
        GATED_MLP,
    ],
    keys: |config, keys| {
        keys.whole("context_length", config.required(&["max_position_embeddings"])?);
        keys.whole("embedding_length", config.required(&["hidden_size"])?);
        keys.whole("block_count", config.layers()?);
        keys.whole("feed_forward_length", config.required(&["intermediate_size"])?);
        keys.whole("rope.dimension_count", config.rotating(Rope::read(config).partial(config)?.unwrap_or(1.0))?);
        keys.whole("attention.head_count", config.required(&["num_attention_heads"])?);
        keys.whole("attention.head_count_kv", config.required(&["num_key_value_heads"])?);
        keys.set("use_parallel_residual", config.flag("use_parallel_residual").unwrap_or(true));
        keys.number("attention.layer_norm_epsilon", config.required_number(&["layer_norm_eps", "norm_eps"])?);
        keys.file_type();
        Ok(())
    },
    ..Arch::BASE
};
