//! ModernBERT: an encoder with rope, a window in most layers, and a gated MLP.

use super::Dim::{Attended, FeedForward, GateUp, Hidden, Labels, Qkv, Vocabulary};
use super::{Arch, Class, Fill, Rule, bert};

pub(super) static MODERN_BERT: Arch = Arch {
    name: "modern-bert",
    title: "ModernBERT",
    classes: &[Class::new(
        &["ModernBertModel", "ModernBertForMaskedLM", "ModernBertForSequenceClassification"],
        &[
            ("max_position_embeddings", Fill::Whole(8192)),
            ("norm_eps", Fill::Real(1e-5)),
            ("global_rope_theta", Fill::Real(160_000.0)),
            ("local_rope_theta", Fill::Real(10_000.0)),
            ("local_attention", Fill::Whole(128)),
            ("global_attn_every_n_layers", Fill::Whole(3)),
            ("hidden_activation", Fill::Json("\"gelu\"")),
            ("classifier_pooling", Fill::Json("\"cls\"")),
        ],
    )],
    outside: &[&[
        Rule::weight("embeddings.tok_embeddings", "token_embd", &[Hidden, Vocabulary]),
        Rule::weight("embeddings.norm", "token_embd_norm", &[Hidden]),
        Rule::weight("final_norm", "output_norm", &[Hidden]),
        Rule::weight("head.dense", "cls", &[Hidden, Hidden]).maybe_biased().optional(),
        Rule::weight("head.norm", "cls.norm", &[Hidden]).optional(),
        Rule::weight("classifier", "cls.output", &[Hidden, Labels]).maybe_biased().optional(),
    ]],
    layer: &[&[
        // The first layer has none.
        Rule::weight("attn_norm", "attn_norm", &[Hidden]).when(|_, layer| layer > 0),
        Rule::weight("attn.Wqkv", "attn_qkv", &[Hidden, Qkv]),
        Rule::weight("attn.Wo", "attn_output", &[Attended, Hidden]),
        Rule::weight("mlp_norm", "ffn_norm", &[Hidden]),
        Rule::weight("mlp.Wi", "ffn_up", &[Hidden, GateUp]),
        Rule::weight("mlp.Wo", "ffn_down", &[FeedForward, Hidden]),
    ]],
    dropped: &["decoder.bias"],
    keys: |config, keys| {
        bert::keys(config, keys)?;
        keys.whole("attention.sliding_window", config.required(&["local_attention"])?);
        keys.whole_from(config, "attention.sliding_window_pattern", &["global_attn_every_n_layers"])?;
        keys.set("rope.scaling.type", "none");
        keys.whole("vocab_size", config.required(&["vocab_size"])?);
        if let Some(activation) = config.text("hidden_activation") {
            keys.set("hidden_activation", activation);
        }
        Ok(())
    },
    ..Arch::BASE
};
