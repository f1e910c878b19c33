//! GPT-2: learned positions, queries, keys and values in one, and weights stored with columns first.

use super::Dim::{Attended, Context, FeedForward, Hidden, Qkv, Vocabulary};
use super::arrange::transposed;
use super::parts::OUTPUT;
use super::{Arch, Class, Fill, Rule};

pub(super) static GPT2: Arch = Arch {
    name: "gpt2",
    title: "GPT-2",
    classes: &[Class::new(
        &["GPT2LMHeadModel"],
        &[("n_positions", Fill::Whole(1024)), ("layer_norm_epsilon", Fill::Real(1e-5))],
    )],
    layers: "h",
    outside: &[&[
        Rule::weight("wte", "token_embd", &[Hidden, Vocabulary]),
        Rule::weight("wpe", "position_embd", &[Hidden, Context]),
        Rule::weight("ln_f", "output_norm", &[Hidden]).biased(),
        OUTPUT,
    ]],
    layer: &[&[
        Rule::weight("ln_1", "attn_norm", &[Hidden]).biased(),
        Rule::weight("attn.c_attn", "attn_qkv", &[Hidden, Qkv]).stored(&[Qkv, Hidden]).arranged(transposed).biased(),
        Rule::weight("attn.c_proj", "attn_output", &[Attended, Hidden])
            .stored(&[Hidden, Attended])
            .arranged(transposed)
            .biased(),
        Rule::weight("ln_2", "ffn_norm", &[Hidden]).biased(),
        Rule::weight("mlp.c_fc", "ffn_up", &[Hidden, FeedForward])
            .stored(&[FeedForward, Hidden])
            .arranged(transposed)
            .biased(),
        Rule::weight("mlp.c_proj", "ffn_down", &[FeedForward, Hidden])
            .stored(&[Hidden, FeedForward])
            .arranged(transposed)
            .biased(),
    ]],
    keys: |config, keys| {
        let hidden = config.required(&["n_embd"])?;
        keys.whole("block_count", config.layers()?);
        keys.whole("context_length", config.required(&["n_ctx", "n_positions"])?);
        keys.whole("embedding_length", hidden);
        keys.whole("feed_forward_length", 4 * hidden);
        keys.whole("attention.head_count", config.required(&["n_head"])?);
        keys.number("attention.layer_norm_epsilon", config.required_number(&["layer_norm_epsilon"])?);
        keys.file_type();
        Ok(())
    },
    ..Arch::BASE
};
