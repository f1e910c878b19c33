//! Command R7B and Command A: as Command R, with a sliding window in most layers.

use super::parts::{ATTENTION, GATED_MLP, NORMS, OUTSIDE};
use super::{Arch, Class, Fill};

pub(super) static COHERE2: Arch = Arch {
    name: "cohere2",
    title: "Command R7B",
    classes: &[Class::new(
        &["Cohere2ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(8192)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("head_dim", Fill::Quotient("hidden_size", "num_attention_heads")),
            ("layer_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("rotary_pct", Fill::Real(1.0)),
            ("logit_scale", Fill::Real(0.0625)),
            ("sliding_window", Fill::Whole(4096)),
        ],
    )],
    outside: &[&[OUTSIDE[0], OUTSIDE[1]]],
    layer: &[&[NORMS[0]], ATTENTION, GATED_MLP],
    // llama.cpp has no biases here; those that are stored are 0.
    dropped: &["lm_head.", ".bias"],
    keys: |config, keys| {
        keys.common(config)?;
        keys.number("logit_scale", config.required_number(&["logit_scale"])?);
        keys.whole("attention.sliding_window", config.required(&["sliding_window"])?);
        keys.whole("vocab_size", config.required(&["vocab_size"])?);
        keys.whole("rope.dimension_count", config.rotating(config.required_number(&["rotary_pct"])?)?);
        keys.set("rope.scaling.type", "none");
        Ok(())
    },
    ..Arch::BASE
};
