//! Gemma 2: norms before and after each part, soft caps, a sliding window in every other layer.

use super::parts::{ATTENTION, GATED_MLP, NORMS, POST_NORMS};
use super::{Arch, Class, Dim, Fill, Rule, gemma};

pub(super) static GEMMA2: Arch = Arch {
    name: "gemma2",
    title: "Gemma 2",
    classes: &[Class::new(
        &["Gemma2ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(8192)),
            ("num_key_value_heads", Fill::Whole(4)),
            ("head_dim", Fill::Whole(256)),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("sliding_window", Fill::Whole(4096)),
            ("attn_logit_softcapping", Fill::Real(50.0)),
            ("final_logit_softcapping", Fill::Real(30.0)),
        ],
    )],
    outside: &[gemma::GEMMA_OUTSIDE],
    layer: &[FOUR_NORMS, ATTENTION, GATED_MLP],
    dropped: &["lm_head."],
    keys: |config, keys| {
        gemma::keys(config, keys)?;
        keys.number("attn_logit_softcapping", config.required_number(&["attn_logit_softcapping"])?);
        keys.number("final_logit_softcapping", config.required_number(&["final_logit_softcapping"])?);
        keys.whole("attention.sliding_window", config.required(&["sliding_window"])?);
        Ok(())
    },
    ..Arch::BASE
};

/// Norms around attention and MLP.
pub(super) const FOUR_NORMS: &[Rule] = &[
    NORMS[0].plus(1.0),
    POST_NORMS[0].plus(1.0),
    Rule::weight("pre_feedforward_layernorm", "ffn_norm", &[Dim::Hidden]).plus(1.0),
    POST_NORMS[1].plus(1.0),
];
