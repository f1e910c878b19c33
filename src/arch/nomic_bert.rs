//! Nomic's embedders: BERT with rope, queries, keys and values in one, and a gated MLP; or with experts.

use super::Dim::{Any, Attended, Experts, FeedForward, Hidden, Qkv, TokenTypes, Vocabulary};
use super::{Arch, Class, Config, Fill, Hparams, Keys, Rule, View, bert};
use crate::checkpoint::OpenError;

pub(super) static NOMIC_BERT_MOE: Arch = Arch {
    name: "nomic-bert-moe",
    title: "Nomic BERT MoE",
    classes: &[Class::new(&["NomicBertModel"], DEFAULTS).with("moe_every_n_layers")],
    outside: &[EMBEDDINGS],
    layer: &[LAYER, EXPERTS],
    dropped: &["mlp.experts.bias"],
    keys: |config, keys| {
        self::keys(config, keys)?;
        keys.whole_from(config, "moe_every_n_layers", &["moe_every_n_layers"])?;
        keys.whole_from(config, "expert_used_count", &["moe_top_k"])
    },
    ..Arch::BASE
};

pub(super) static NOMIC_BERT: Arch = Arch {
    name: "nomic-bert",
    title: "Nomic BERT",
    classes: &[Class::new(&["NomicBertModel"], DEFAULTS)],
    outside: &[EMBEDDINGS],
    layer: &[LAYER, GATED_MLP],
    keys,
    ..Arch::BASE
};

const DEFAULTS: &[(&str, Fill)] = &[("max_trained_positions", Fill::Whole(2048))];

const EMBEDDINGS: &[Rule] = &[
    Rule::weight("embeddings.word_embeddings", "token_embd", &[Hidden, Vocabulary]),
    Rule::weight("embeddings.token_type_embeddings", "token_types", &[Hidden, TokenTypes]).optional(),
    Rule::weight("emb_ln", "token_embd_norm", &[Hidden]).biased(),
];

const LAYER: &[Rule] = &[
    Rule::weight("attn.Wqkv", "attn_qkv", &[Hidden, Qkv]).maybe_biased(),
    Rule::weight("attn.out_proj", "attn_output", &[Attended, Hidden]).maybe_biased(),
    Rule::weight("norm1", "attn_output_norm", &[Hidden]).biased(),
    Rule::weight("norm2", "layer_output_norm", &[Hidden]).biased(),
    Rule::weight("mlp.fc2", "ffn_down", &[FeedForward, Hidden]).maybe_biased().dense(),
];

const GATED_MLP: &[Rule] = &[
    Rule::weight("mlp.fc11", "ffn_up", &[Hidden, FeedForward]),
    Rule::weight("mlp.fc12", "ffn_gate", &[Hidden, FeedForward]),
];

const EXPERTS: &[Rule] = &[
    Rule::weight("mlp.fc1", "ffn_up", &[Hidden, FeedForward]).maybe_biased().dense(),
    Rule::weight("mlp.router.layer", "ffn_gate_inp", &[Hidden, Experts]).sparse(),
    Rule::tensor("mlp.experts.mlp.w1", "ffn_up_exps.weight", &[Hidden, FeedForward, Experts])
        .stored(&[Hidden, Any])
        .sparse(),
    Rule::tensor("mlp.experts.mlp.w2", "ffn_down_exps.weight", &[FeedForward, Hidden, Experts])
        .stored(&[Hidden, Any])
        .arranged(turned_by_expert)
        .sparse(),
];

/// Experts one above the other, each stored with columns first.
fn turned_by_expert(stored: View, hparams: &Hparams) -> Vec<View> {
    vec![stored.split(0, &[hparams.experts, hparams.feed_forward.first()]).swap(1, 2)]
}

fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    bert::keys(config, keys)?;
    // The configurations name more positions than the models were trained on.
    let positions = (config.required(&["n_positions"])?, config.required(&["max_trained_positions"])?);
    let context = match positions {
        (8192, 2048) => 2048,
        (2048, 2048) => 512,
        (positions, trained) => {
            return Err(config.refuse(format!(
                "its n_positions is {positions} and its max_trained_positions {trained}; 8192 or 2048, and 2048, are known"
            )));
        }
    };
    keys.whole("context_length", context);
    Ok(())
}
