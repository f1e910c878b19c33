//! BERT, RoBERTa, XLM-RoBERTa and DistilBERT, which embed texts or judge them.

use super::Dim::{Attended, Context, FeedForward, Hidden, Key, Labels, Query, TokenTypes, Value, Vocabulary};
use super::arrange::last_rows;
use super::{Arch, Class, Config, Fill, Keys, Rule};
use crate::checkpoint::OpenError;
use crate::gguf::{Array, ValueType};

pub(super) static BERT: Arch = Arch {
    name: "bert",
    title: "BERT",
    classes: &[
        Class::new(
            &["BertModel", "BertForMaskedLM", "CamembertModel", "BertForSequenceClassification"],
            &[
                ("max_position_embeddings", Fill::Whole(512)),
                ("layer_norm_eps", Fill::Real(1e-12)),
                ("type_vocab_size", Fill::Whole(2)),
            ],
        ),
        Class::new(&["RobertaModel", "RobertaForSequenceClassification"], ROBERTA_DEFAULTS),
        Class::new(&["XLMRobertaModel", "XLMRobertaForSequenceClassification"], ROBERTA_DEFAULTS),
        Class::new(
            &["DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification"],
            &[
                ("max_position_embeddings", Fill::Whole(512)),
                ("n_heads", Fill::Whole(12)),
                ("hidden_dim", Fill::Whole(3072)),
                ("layer_norm_eps", Fill::Real(1e-12)),
            ],
        ),
    ],
    layers: "layer",
    outside: &[EMBEDDINGS, CLASSIFIER],
    layer: &[LAYER, DISTIL_LAYER],
    dropped: &["pooler.", "cls.predictions", "cls.seq_relationship", "vocab_"],
    keys: |config, keys| {
        // The converter puts what DistilBERT's configuration does not say first.
        if config["n_layers"].is_u64() {
            keys.number("attention.layer_norm_epsilon", 1e-12);
        }
        self::keys(config, keys)?;
        if let Some(offset) = config.count("position_offset")? {
            let context = config.required(&["max_position_embeddings"])?;
            keys.whole("context_length", context.saturating_sub(offset + config.count("pad_token_id")?.unwrap_or(0)));
        }
        Ok(())
    },
    ..Arch::BASE
};

/// Their first positions never occur: those up to the padding token's number, and one more.
const ROBERTA_DEFAULTS: &[(&str, Fill)] = &[
    ("max_position_embeddings", Fill::Whole(512)),
    ("layer_norm_eps", Fill::Real(1e-12)),
    ("type_vocab_size", Fill::Whole(2)),
    ("pad_token_id", Fill::Whole(1)),
    ("position_offset", Fill::Whole(1)),
];

const EMBEDDINGS: &[Rule] = &[
    Rule::weight("embeddings.word_embeddings", "token_embd", &[Hidden, Vocabulary]),
    Rule::weight("embeddings.token_type_embeddings", "token_types", &[Hidden, TokenTypes]).optional(),
    Rule::weight("embeddings.position_embeddings", "position_embd", &[Hidden, Context])
        .stored(&[Hidden, super::Dim::Any])
        .arranged(last_rows),
    Rule::weight("embeddings.LayerNorm", "token_embd_norm", &[Hidden]).biased(),
];

/// The head of a model that judges texts.
const CLASSIFIER: &[Rule] = &[
    Rule::weight("classifier.dense", "cls", &[Hidden, Hidden]).biased().optional(),
    Rule::weight("pre_classifier", "cls", &[Hidden, Hidden]).biased().optional(),
    Rule::weight("classifier.out_proj", "cls.output", &[Hidden, Labels]).biased().optional(),
    Rule::weight("classifier", "cls.output", &[Hidden, Labels]).biased().optional(),
];

const LAYER: &[Rule] = &[
    Rule::weight("attention.self.query", "attn_q", &[Hidden, Query]).biased(),
    Rule::weight("attention.self.key", "attn_k", &[Hidden, Key]).biased(),
    Rule::weight("attention.self.value", "attn_v", &[Hidden, Value]).biased(),
    Rule::weight("attention.output.dense", "attn_output", &[Attended, Hidden]).biased(),
    Rule::weight("attention.output.LayerNorm", "attn_output_norm", &[Hidden]).biased(),
    Rule::weight("intermediate.dense", "ffn_up", &[Hidden, FeedForward]).biased(),
    Rule::weight("output.dense", "ffn_down", &[FeedForward, Hidden]).biased(),
    Rule::weight("output.LayerNorm", "layer_output_norm", &[Hidden]).biased(),
];

/// DistilBERT's names for the same.
const DISTIL_LAYER: &[Rule] = &[
    LAYER[0].named("attention.q_lin"),
    LAYER[1].named("attention.k_lin"),
    LAYER[2].named("attention.v_lin"),
    LAYER[3].named("attention.out_lin"),
    LAYER[4].named("sa_layer_norm"),
    LAYER[5].named("ffn.lin1"),
    LAYER[6].named("ffn.lin2"),
    LAYER[7].named("output_layer_norm"),
];

/// The keys of encoders.
pub(super) fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    keys.common(config)?;
    keys.set("attention.causal", false);
    keys.pooling(config)?;
    // Two labels without names are what transformers makes up for a model that has none.
    let labels =
        config["id2label"].as_object().filter(|labels| labels.len() != 2 || labels.get("0") != Some(&"LABEL_0".into()));
    if let Some(labels) = labels {
        let mut labels: Vec<_> =
            labels.iter().filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?))).collect();
        labels.sort_by_key(|(id, _): &(u64, _)| *id);
        keys.set("classifier.output_labels", Array::new(ValueType::String, labels.into_iter().map(|(_, label)| label)));
    }
    Ok(())
}
