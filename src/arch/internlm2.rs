//! InternLM 2 and 2.5: a Llama whose groups of query heads each hold a key and a value head.

use super::Dim::{Attended, FeedForward, Hidden, Key, Qkv, Query, Value, Vocabulary};
use super::arrange::{grouped_keys, grouped_queries, grouped_values};
use super::parts::OUTSIDE;
use super::{Arch, Class, Rule};

pub(super) static INTERNLM2: Arch = Arch {
    name: "internlm2",
    title: "InternLM 2",
    classes: &[Class::new(&["InternLM2ForCausalLM"], &[])],
    outside: &[&[
        Rule::weight("tok_embeddings", "token_embd", &[Hidden, Vocabulary]),
        OUTSIDE[1],
        Rule::weight("output", "output", &[Hidden, Vocabulary]).optional(),
    ]],
    layer: &[&[
        Rule::weight("attention_norm", "attn_norm", &[Hidden]),
        Rule::weight("attention.wqkv", "attn_q", &[Hidden, Query]).stored(&[Hidden, Qkv]).arranged(grouped_queries),
        Rule::weight("attention.wqkv", "attn_k", &[Hidden, Key]).stored(&[Hidden, Qkv]).arranged(grouped_keys),
        Rule::weight("attention.wqkv", "attn_v", &[Hidden, Value]).stored(&[Hidden, Qkv]).arranged(grouped_values),
        Rule::weight("attention.wo", "attn_output", &[Attended, Hidden]),
        Rule::weight("ffn_norm", "ffn_norm", &[Hidden]),
        Rule::weight("feed_forward.w1", "ffn_gate", &[Hidden, FeedForward]),
        Rule::weight("feed_forward.w3", "ffn_up", &[Hidden, FeedForward]),
        Rule::weight("feed_forward.w2", "ffn_down", &[FeedForward, Hidden]),
    ]],
    ..Arch::BASE
};
