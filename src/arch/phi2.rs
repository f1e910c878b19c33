//! Phi 2: attention and MLP side by side, biases everywhere, part of each head rotates.

use super::Dim::{FeedForward, Hidden, Vocabulary};
use super::parts::{ATTENTION, BIASED_NORMS, TOKEN_EMBEDDING};
use super::{Arch, Class, Fill, Rope, Rule};

pub(super) static PHI2: Arch = Arch {
    name: "phi2",
    title: "Phi 2",
    classes: &[Class::new(
        &["PhiForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(2048)),
            ("layer_norm_eps", Fill::Real(1e-5)),
            ("partial_rotary_factor", Fill::Real(0.5)),
        ],
    )],
    outside: &[&[
        TOKEN_EMBEDDING,
        Rule::weight("final_layernorm", "output_norm", &[Hidden]).biased(),
        Rule::weight("lm_head", "output", &[Hidden, Vocabulary]).biased(),
    ]],
    layer: &[&[
        BIASED_NORMS[0],
        ATTENTION[0].biased(),
        ATTENTION[1].biased(),
        ATTENTION[2].biased(),
        ATTENTION[3].named("self_attn.dense").biased(),
        Rule::weight("mlp.fc1", "ffn_up", &[Hidden, FeedForward]).biased(),
        Rule::weight("mlp.fc2", "ffn_down", &[FeedForward, Hidden]).biased(),
    ]],
    keys: |config, keys| {
        let (hidden, heads) = (config.required(&["hidden_size"])?, config.required(&["num_attention_heads"])?);
        keys.whole("context_length", config.required(&["n_positions", "max_position_embeddings"])?);
        keys.whole("embedding_length", hidden);
        keys.whole("feed_forward_length", 4 * hidden);
        keys.whole("block_count", config.layers()?);
        keys.whole("attention.head_count", heads);
        keys.whole("attention.head_count_kv", heads);
        keys.number("attention.layer_norm_epsilon", config.required_number(&["layer_norm_epsilon", "layer_norm_eps"])?);
        let part = Rope::read(config).partial(config)?.unwrap_or(1.0);
        keys.whole("rope.dimension_count", (part * hidden as f64) as u64 / heads);
        keys.file_type();
        keys.set_general("tokenizer.ggml.add_bos_token", false);
        Ok(())
    },
    ..Arch::BASE
};
