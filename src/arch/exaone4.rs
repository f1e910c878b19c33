//! EXAONE 4: norms after attention and MLP and on each head's q and k, a sliding window in most layers.

use super::parts::{ATTENTION, GATED_MLP, HEAD_NORMS, POST_NORMS};
use super::{Arch, Class, Fill, rope};
use serde_json::Value as Json;

pub(super) static EXAONE4: Arch = Arch {
    name: "exaone4",
    title: "EXAONE 4",
    classes: &[Class::new(
        &["Exaone4ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(2048)),
            ("num_key_value_heads", Fill::Whole(32)),
            ("rms_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("sliding_window", Fill::Whole(4096)),
            ("sliding_window_pattern", Fill::Whole(4)),
        ],
    )],
    layer: &[POST_NORMS, ATTENTION, HEAD_NORMS, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        keys.whole("vocab_size", config.required(&["vocab_size"])?);
        if let Some(window) = config.size(&["sliding_window"])? {
            keys.whole("attention.sliding_window", window);
            // `LLLG`, or 4: every fourth layer sees everything.
            let pattern: Vec<bool> = match &config["sliding_window_pattern"] {
                Json::String(kinds) => kinds.chars().map(|kind| kind == 'L').collect(),
                number => (1..=number.as_u64().unwrap_or(0).min(64)).map(|n| Some(n) != number.as_u64()).collect(),
            };
            let is_windowed = |layer: u64| pattern.get(layer as usize % pattern.len().max(1)).copied().unwrap_or(false);
            keys.flags("attention.sliding_window_pattern", config.windowed_layers(is_windowed)?);
        }
        Ok(())
    },
    computed: |config, hparams| rope::llama3_by(config, hparams, 16.0),
    ..Arch::BASE
};
