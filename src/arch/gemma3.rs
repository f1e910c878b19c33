//! Gemma 3, the language model: as Gemma 2 with norms on q and k instead of soft caps, and two base frequencies.

use super::parts::{ATTENTION, GATED_MLP, HEAD_NORMS, OUTPUT};
use super::{Arch, Class, Fill, gemma, gemma2};

pub(super) static GEMMA3: Arch = Arch {
    name: "gemma3",
    title: "Gemma 3",
    classes: &[Class::new(&["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"], DEFAULTS)],
    outside: &[gemma::GEMMA_OUTSIDE, &[OUTPUT]],
    layer: &[gemma2::FOUR_NORMS, ATTENTION, &[HEAD_NORMS[0].plus(1.0), HEAD_NORMS[1].plus(1.0)], GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        if let Some(cap) = config.number(&["final_logit_softcapping"])?.filter(|cap| *cap != 0.0) {
            keys.number("final_logit_softcapping", cap);
        }
        if config["sliding_window_pattern"] != 1 {
            keys.whole("attention.sliding_window", config.required(&["sliding_window"])?);
        }
        Ok(())
    },
    ..Arch::BASE
};

/// The settings of the published models with eyes say next to nothing.
pub(super) const DEFAULTS: &[(&str, Fill)] = &[
    ("vocab_size", Fill::Whole(262_208)),
    ("hidden_size", Fill::Whole(2304)),
    ("intermediate_size", Fill::Whole(9216)),
    ("num_hidden_layers", Fill::Whole(26)),
    ("max_position_embeddings", Fill::Whole(131_072)),
    ("num_attention_heads", Fill::Whole(8)),
    ("num_key_value_heads", Fill::Whole(4)),
    ("head_dim", Fill::Whole(256)),
    ("rms_norm_eps", Fill::Real(1e-6)),
    ("rope_theta", Fill::Real(1_000_000.0)),
    ("rope_local_base_freq", Fill::Real(10_000.0)),
    ("sliding_window", Fill::Whole(4096)),
];
