//! `config.json` of a changed model.

use crate::model::Model;
use serde_json::{Value as Json, json};

/// What transformers' configurations call a size; the first where none of them is there.
const LAYERS: &[&str] = &["num_hidden_layers", "n_layer", "num_layers", "n_layers"];
const CHANNELS: &[&str] = &["intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size"];
const HEADS: &[&str] = &["num_attention_heads", "n_head", "n_heads"];
const KV_HEADS: &[&str] = &["num_key_value_heads", "num_kv_heads"];
const HEAD: &[&str] = &["head_dim"];

/// With the sizes of a changed model, and lists of something for each layer cut.
pub(super) fn changed(config: &Json, original: &Model, model: &Model, layers: &[u64]) -> Json {
    let mut config = config.clone();
    let (old, new) = (&original.hparams, &model.hparams);
    let sizes = [
        (LAYERS, old.layers, new.layers),
        (CHANNELS, old.feed_forward.first(), new.feed_forward.first()),
        (HEADS, old.heads.first(), new.heads.first()),
        (KV_HEADS, old.kv_heads.first(), new.kv_heads.first()),
        // Else it would follow from the number of heads.
        (HEAD, old.heads.first(), if new.heads == old.heads { old.heads.first() } else { new.key_head }),
    ];
    // Models that see have their language model's settings in a part of their own.
    let part = ["text_config"].into_iter().find(|part| config[*part].is_object());
    let settings = match part {
        Some(part) => &mut config[part],
        None => &mut config,
    };
    for (names, _, is) in sizes.into_iter().filter(|(_, was, is)| was != is) {
        let name = names.iter().find(|name| settings.get(**name).is_some()).unwrap_or(&names[0]);
        settings[*name] = json!(is);
    }
    for (_, value) in settings.as_object_mut().into_iter().flatten() {
        if let Json::Array(values) = value
            && values.len() as u64 == old.layers
            && new.layers != old.layers
        {
            let mut layer = 0..;
            values.retain(|_| layer.next().is_some_and(|n| layers.contains(&n)));
        }
    }
    config
}
