//! Falcon 7B and 40B: groups of query heads that each hold a key and a value head.

use super::Dim::{Attended, FeedForward, Hidden, Qkv, Vocabulary};
use super::arrange::ungrouped;
use super::parts::OUTPUT;
use super::{Arch, Class, Config, Fill, Rule};
use crate::checkpoint::OpenError;

pub(super) static FALCON: Arch = Arch {
    name: "falcon",
    title: "Falcon",
    classes: &[Class::new(&["FalconForCausalLM", "RWForCausalLM"], &[("layer_norm_epsilon", Fill::Real(1e-5))])],
    layers: "h",
    outside: &[&[
        Rule::weight("word_embeddings", "token_embd", &[Hidden, Vocabulary]),
        Rule::weight("ln_f", "output_norm", &[Hidden]).biased(),
        OUTPUT,
    ]],
    layer: &[&[
        // The larger models have a norm for attention and one for the MLP, the smaller ones have one for both.
        Rule::weight("ln_attn", "attn_norm_2", &[Hidden]).biased().optional(),
        Rule::weight("ln_mlp", "attn_norm", &[Hidden]).biased(),
        Rule::weight("input_layernorm", "attn_norm", &[Hidden]).biased(),
        Rule::weight("self_attention.query_key_value", "attn_qkv", &[Hidden, Qkv]).arranged(ungrouped),
        Rule::weight("self_attention.dense", "attn_output", &[Attended, Hidden]),
        Rule::weight("mlp.dense_h_to_4h", "ffn_up", &[Hidden, FeedForward]),
        Rule::weight("mlp.dense_4h_to_h", "ffn_down", &[FeedForward, Hidden]),
    ]],
    keys: |config, keys| {
        let hidden = config.required(&["hidden_size"])?;
        keys.whole("context_length", 2048);
        keys.set("tensor_data_layout", "jploski");
        keys.whole("embedding_length", hidden);
        keys.whole("feed_forward_length", 4 * hidden);
        keys.whole("block_count", config.layers()?);
        keys.whole("attention.head_count", config.required(&["num_attention_heads", "n_head"])?);
        keys.whole("attention.head_count_kv", kv_heads(config)?);
        keys.number("attention.layer_norm_epsilon", config.required_number(&["layer_norm_epsilon"])?);
        keys.file_type();
        Ok(())
    },
    ..Arch::BASE
};

/// The smaller models have one key-value head, whatever else their configuration says.
fn kv_heads(config: &Config<'_>) -> Result<u64, OpenError> {
    let is_new = config.flag("new_decoder_architecture").unwrap_or(false);
    match config.flag("multi_query").unwrap_or(true) && !is_new {
        true => Ok(1),
        false => config.required(&["num_kv_heads", "n_head_kv", "num_attention_heads", "n_head"]),
    }
}
