//! Rules that many families share.

use super::Dim::{Attended, FeedForward, Hidden, Key, Query, Value, Vocabulary};
use super::Rule;
use super::arrange::rope_pairs;

/// Token embedding, last norm and output.
pub(super) const OUTSIDE: &[Rule] = &[
    Rule::weight("embed_tokens", "token_embd", &[Hidden, Vocabulary]),
    Rule::weight("norm", "output_norm", &[Hidden]),
    Rule::weight("lm_head", "output", &[Hidden, Vocabulary]).optional(),
];

/// Norms before attention and MLP.
pub(super) const NORMS: &[Rule] = &[
    Rule::weight("input_layernorm", "attn_norm", &[Hidden]),
    Rule::weight("post_attention_layernorm", "ffn_norm", &[Hidden]),
];

/// Attention whose q and k stay in Hugging Face's order.
pub(super) const ATTENTION: &[Rule] = &[
    Rule::weight("self_attn.q_proj", "attn_q", &[Hidden, Query]).maybe_biased(),
    Rule::weight("self_attn.k_proj", "attn_k", &[Hidden, Key]).maybe_biased(),
    Rule::weight("self_attn.v_proj", "attn_v", &[Hidden, Value]).maybe_biased(),
    Rule::weight("self_attn.o_proj", "attn_output", &[Attended, Hidden]).maybe_biased(),
];

/// Attention whose q and k are put into pairs.
pub(super) const PAIRED_ATTENTION: &[Rule] =
    &[ATTENTION[0].arranged(rope_pairs), ATTENTION[1].arranged(rope_pairs), ATTENTION[2], ATTENTION[3]];

/// An MLP with a gate.
pub(super) const GATED_MLP: &[Rule] = &[
    Rule::weight("mlp.gate_proj", "ffn_gate", &[Hidden, FeedForward]).maybe_biased(),
    Rule::weight("mlp.up_proj", "ffn_up", &[Hidden, FeedForward]).maybe_biased(),
    Rule::weight("mlp.down_proj", "ffn_down", &[FeedForward, Hidden]).maybe_biased(),
];
