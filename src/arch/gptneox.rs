//! GPT-NeoX and Pythia: each head holds its query, key and value.

use super::Dim::{Attended, FeedForward, Hidden, Qkv, Vocabulary};
use super::arrange::apart;
use super::parts::BIASED_NORMS;
use super::{Arch, Class, Fill, Rule};

pub(super) static GPTNEOX: Arch = Arch {
    name: "gptneox",
    title: "GPT-NeoX",
    classes: &[Class::new(
        &["GPTNeoXForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(2048)),
            ("intermediate_size", Fill::Whole(24_576)),
            ("rotary_pct", Fill::Real(0.25)),
            ("layer_norm_eps", Fill::Real(1e-5)),
        ],
    )],
    outside: &[&[
        Rule::weight("embed_in", "token_embd", &[Hidden, Vocabulary]),
        Rule::weight("final_layer_norm", "output_norm", &[Hidden]).biased(),
        Rule::weight("embed_out", "output", &[Hidden, Vocabulary]),
    ]],
    layer: &[
        BIASED_NORMS,
        &[
            Rule::weight("attention.query_key_value", "attn_qkv", &[Hidden, Qkv]).arranged(apart).biased(),
            Rule::weight("attention.dense", "attn_output", &[Attended, Hidden]).biased(),
            Rule::weight("mlp.dense_h_to_4h", "ffn_up", &[Hidden, FeedForward]).biased(),
            Rule::weight("mlp.dense_4h_to_h", "ffn_down", &[FeedForward, Hidden]).biased(),
        ],
    ],
    keys: |config, keys| {
        keys.whole("context_length", config.required(&["max_position_embeddings"])?);
        keys.whole("embedding_length", config.required(&["hidden_size"])?);
        keys.whole("block_count", config.layers()?);
        keys.whole("feed_forward_length", config.required(&["intermediate_size"])?);
        keys.whole("rope.dimension_count", config.rotating(config.required_number(&["rotary_pct"])?)?);
        keys.whole("attention.head_count", config.required(&["num_attention_heads"])?);
        keys.set("use_parallel_residual", config.flag("use_parallel_residual").unwrap_or(true));
        keys.number("attention.layer_norm_epsilon", config.required_number(&["layer_norm_eps"])?);
        Ok(())
    },
    ..Arch::BASE
};
