//! Bloom: no positions but what ALiBi subtracts; each head holds its query, key and value.

use super::Dim::{Attended, FeedForward, Hidden, Qkv, Vocabulary};
use super::arrange::apart;
use super::parts::{BIASED_NORMS, OUTPUT};
use super::{Arch, Class, Fill, Rule};

pub(super) static BLOOM: Arch = Arch {
    name: "bloom",
    title: "Bloom",
    classes: &[Class::new(&["BloomForCausalLM", "BloomModel"], &[("layer_norm_epsilon", Fill::Real(1e-5))])],
    layers: "h",
    outside: &[&[
        Rule::weight("word_embeddings", "token_embd", &[Hidden, Vocabulary]),
        Rule::weight("word_embeddings_layernorm", "token_embd_norm", &[Hidden]).biased(),
        Rule::weight("ln_f", "output_norm", &[Hidden]).biased(),
        OUTPUT,
    ]],
    layer: &[
        BIASED_NORMS,
        &[
            Rule::weight("self_attention.query_key_value", "attn_qkv", &[Hidden, Qkv]).arranged(apart).biased(),
            Rule::weight("self_attention.dense", "attn_output", &[Attended, Hidden]).biased(),
            Rule::weight("mlp.dense_h_to_4h", "ffn_up", &[Hidden, FeedForward]).biased(),
            Rule::weight("mlp.dense_4h_to_h", "ffn_down", &[FeedForward, Hidden]).biased(),
        ],
    ],
    keys: |config, keys| {
        let hidden = config.required(&["hidden_size", "n_embed"])?;
        let heads = config.required(&["n_head", "num_attention_heads"])?;
        keys.whole("context_length", config.size(&["seq_length"])?.unwrap_or(hidden));
        keys.whole("embedding_length", hidden);
        keys.whole("feed_forward_length", 4 * hidden);
        keys.whole("block_count", config.layers()?);
        keys.whole("attention.head_count", heads);
        keys.whole("attention.head_count_kv", heads);
        keys.number("attention.layer_norm_epsilon", config.required_number(&["layer_norm_epsilon"])?);
        keys.file_type();
        Ok(())
    },
    ..Arch::BASE
};
