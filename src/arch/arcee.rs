//! Arcee's foundation models: a Llama whose MLP has no gate.

use super::parts::{GATED_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Fill, llama, rope};

pub(super) static ARCEE: Arch = Arch {
    name: "arcee",
    title: "Arcee",
    classes: &[Class::new(
        &["ArceeForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(4096)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("head_dim", Fill::Quotient("hidden_size", "num_attention_heads")),
            ("rms_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    )],
    layer: &[NORMS, PAIRED_ATTENTION, &[GATED_MLP[1], GATED_MLP[2]]],
    keys: |config, keys| {
        llama::keys(config, keys)?;
        keys.pooling(config)
    },
    computed: rope::llama3,
    ..Arch::BASE
};
