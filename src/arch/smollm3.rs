//! SmolLM 3: a Llama of which every fourth layer does not rotate.

use super::parts::{GATED_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Fill, llama, rope};

pub(super) static SMOLLM3: Arch = Arch {
    name: "smollm3",
    title: "SmolLM 3",
    classes: &[Class::new(
        &["SmolLM3ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(32_768)),
            ("num_key_value_heads", Fill::Whole(4)),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(2_000_000.0)),
        ],
    )],
    layer: &[NORMS, PAIRED_ATTENTION, GATED_MLP],
    keys: llama::keys,
    computed: rope::llama3,
    ..Arch::BASE
};
