//! Nemotron 3 and Minitron: norms are stored as their distance from 1, the MLP has no gate, half of each head rotates.

use super::parts::{ATTENTION, BIASED_NORMS, BIASED_OUTSIDE, GATED_MLP, OUTPUT};
use super::{Arch, Class, Config, Fill, Keys, Rope};
use crate::checkpoint::OpenError;

pub(super) static NEMOTRON: Arch = Arch {
    name: "nemotron",
    title: "Nemotron",
    classes: &[Class::new(
        &["NemotronForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(4096)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("head_dim", Fill::Quotient("hidden_size", "num_attention_heads")),
            ("norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("partial_rotary_factor", Fill::Real(0.5)),
        ],
    )],
    outside: &[&[BIASED_OUTSIDE[0], BIASED_OUTSIDE[1].plus(1.0), OUTPUT]],
    layer: &[&[BIASED_NORMS[0].plus(1.0), BIASED_NORMS[1].plus(1.0)], ATTENTION, &[GATED_MLP[1], GATED_MLP[2]]],
    keys,
    ..Arch::BASE
};

fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    keys.common(config)?;
    keys.whole("vocab_size", config.required(&["vocab_size"])?);
    keys.number(
        "attention.layer_norm_epsilon",
        config.required_number(&["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"])?,
    );
    let rope = Rope::read(config);
    let (hidden, heads) = (config.required(&["hidden_size"])?, config.required(&["num_attention_heads"])?);
    keys.whole("rope.dimension_count", (rope.partial(config)?.unwrap_or(1.0) * hidden as f64) as u64 / heads);
    match config.number(&["factor"])?.or(rope.number(config, "factor")?) {
        None => keys.set("rope.scaling.type", "none"),
        Some(factor) => {
            keys.set("rope.scaling.type", "linear");
            keys.number("rope.scaling.factor", factor);
        }
    }
    Ok(())
}
