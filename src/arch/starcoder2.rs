//! StarCoder 2: biases everywhere, an MLP without a gate.

use super::Dim::{FeedForward, Hidden};
use super::parts::{ATTENTION, BIASED_NORMS, BIASED_OUTSIDE};
use super::{Arch, Class, Fill, Rule};

pub(super) static STARCODER2: Arch = Arch {
    name: "starcoder2",
    title: "StarCoder 2",
    classes: &[Class::new(
        &["Starcoder2ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(4096)),
            ("num_key_value_heads", Fill::Whole(2)),
            ("norm_epsilon", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    )],
    outside: &[BIASED_OUTSIDE],
    layer: &[
        BIASED_NORMS,
        ATTENTION,
        &[
            Rule::weight("mlp.c_fc", "ffn_up", &[Hidden, FeedForward]).maybe_biased(),
            Rule::weight("mlp.c_proj", "ffn_down", &[FeedForward, Hidden]).maybe_biased(),
        ],
    ],
    ..Arch::BASE
};
