//! Rules that many families share.

use super::Dim::{
    Attended, ExpertFeedForward, ExpertGateUp, Experts, FeedForward, Head, Hidden, Key, Query, SharedFeedForward,
    Value, Vocabulary,
};
use super::Rule;
use super::arrange::{first_half, rope_pairs, second_half};

pub(super) const TOKEN_EMBEDDING: Rule = Rule::weight("embed_tokens", "token_embd", &[Hidden, Vocabulary]);

pub(super) const OUTPUT: Rule = Rule::weight("lm_head", "output", &[Hidden, Vocabulary]).optional();

/// Token embedding, last norm and output.
pub(super) const OUTSIDE: &[Rule] = &[TOKEN_EMBEDDING, Rule::weight("norm", "output_norm", &[Hidden]), OUTPUT];

/// The same where the last norm has a bias.
pub(super) const BIASED_OUTSIDE: &[Rule] = &[TOKEN_EMBEDDING, OUTSIDE[1].biased(), OUTPUT];

/// Norms before attention and MLP.
pub(super) const NORMS: &[Rule] = &[
    Rule::weight("input_layernorm", "attn_norm", &[Hidden]),
    Rule::weight("post_attention_layernorm", "ffn_norm", &[Hidden]),
];

/// The same with biases.
pub(super) const BIASED_NORMS: &[Rule] = &[NORMS[0].biased(), NORMS[1].biased()];

/// Norms after attention and MLP.
pub(super) const POST_NORMS: &[Rule] = &[
    Rule::weight("post_attention_layernorm", "post_attention_norm", &[Hidden]),
    Rule::weight("post_feedforward_layernorm", "post_ffw_norm", &[Hidden]),
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

/// Attention with biases on q, k and v.
pub(super) const BIASED_ATTENTION: &[Rule] =
    &[ATTENTION[0].biased(), ATTENTION[1].biased(), ATTENTION[2].biased(), ATTENTION[3]];

/// Norms of each head's q and k.
pub(super) const HEAD_NORMS: &[Rule] = &[
    Rule::weight("self_attn.q_norm", "attn_q_norm", &[Head]),
    Rule::weight("self_attn.k_norm", "attn_k_norm", &[Head]),
];

/// An MLP with a gate.
pub(super) const GATED_MLP: &[Rule] = &[
    Rule::weight("mlp.gate_proj", "ffn_gate", &[Hidden, FeedForward]).maybe_biased(),
    Rule::weight("mlp.up_proj", "ffn_up", &[Hidden, FeedForward]).maybe_biased(),
    Rule::weight("mlp.down_proj", "ffn_down", &[FeedForward, Hidden]).maybe_biased(),
];

/// The same in the layers that have no experts.
pub(super) const DENSE_MLP: &[Rule] = &[GATED_MLP[0].dense(), GATED_MLP[1].dense(), GATED_MLP[2].dense()];

/// A router and its experts, each a tensor of its own, or all in one as newer checkpoints have them.
pub(super) const EXPERT_MLP: &[Rule] = &[
    Rule::weight("mlp.gate", "ffn_gate_inp", &[Hidden, Experts]).sparse(),
    Rule::weight("mlp.experts.{}.gate_proj", "ffn_gate_exps", &[Hidden, ExpertFeedForward, Experts]).sparse(),
    Rule::weight("mlp.experts.{}.up_proj", "ffn_up_exps", &[Hidden, ExpertFeedForward, Experts]).sparse(),
    Rule::weight("mlp.experts.{}.down_proj", "ffn_down_exps", &[ExpertFeedForward, Hidden, Experts]).sparse(),
    Rule::tensor("mlp.experts.gate_up_proj", "ffn_gate_exps.weight", &[Hidden, ExpertFeedForward, Experts])
        .stored(&[Hidden, ExpertGateUp, Experts])
        .arranged(first_half)
        .sparse(),
    Rule::tensor("mlp.experts.gate_up_proj", "ffn_up_exps.weight", &[Hidden, ExpertFeedForward, Experts])
        .stored(&[Hidden, ExpertGateUp, Experts])
        .arranged(second_half)
        .sparse(),
    Rule::tensor("mlp.experts.down_proj", "ffn_down_exps.weight", &[ExpertFeedForward, Hidden, Experts]).sparse(),
];

/// What every token sees beside its experts.
pub(super) const SHARED_MLP: &[Rule] = &[
    Rule::weight("mlp.shared_experts.gate_proj", "ffn_gate_shexp", &[Hidden, SharedFeedForward]).sparse(),
    Rule::weight("mlp.shared_experts.up_proj", "ffn_up_shexp", &[Hidden, SharedFeedForward]).sparse(),
    Rule::weight("mlp.shared_experts.down_proj", "ffn_down_shexp", &[SharedFeedForward, Hidden]).sparse(),
];
