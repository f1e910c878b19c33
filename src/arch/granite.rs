//! IBM's Granite, dense: a Llama whose steps are scaled.

use super::parts::{GATED_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Config, Fill, Keys, rope};
use crate::checkpoint::OpenError;

pub(super) static GRANITE: Arch = Arch {
    name: "granite",
    title: "Granite",
    classes: &[Class::new(&["GraniteForCausalLM"], GRANITE_DEFAULTS)],
    layer: &[NORMS, PAIRED_ATTENTION, GATED_MLP],
    keys,
    computed: rope::llama3,
    ..Arch::BASE
};

pub(super) const GRANITE_DEFAULTS: &[(&str, Fill)] = &[
    ("max_position_embeddings", Fill::Whole(2048)),
    ("num_key_value_heads", Fill::Same("num_attention_heads")),
    ("rms_norm_eps", Fill::Real(1e-6)),
    ("rope_theta", Fill::Real(10_000.0)),
    ("attention_multiplier", Fill::Real(1.0)),
    ("embedding_multiplier", Fill::Real(1.0)),
    ("residual_multiplier", Fill::Real(1.0)),
    ("logits_scaling", Fill::Real(1.0)),
];

/// The keys of Granite, with experts or without. A size of heads that it states is not used.
pub(super) fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    let config = &config.without("head_dim");
    super::llama::keys(config, keys)?;
    for (key, setting) in [
        ("attention.scale", "attention_multiplier"),
        ("embedding_scale", "embedding_multiplier"),
        ("residual_scale", "residual_multiplier"),
        ("logit_scale", "logits_scaling"),
    ] {
        if let Some(scale) = config.number(&[setting])?.filter(|scale| *scale != 0.0) {
            keys.number(key, scale);
        }
    }
    Ok(())
}
