//! Llama 2 and 3, tied or not, and the many models of their shape (SmolLM, TinyLlama, Yi...).

use super::parts::{GATED_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Fill, rope};

pub(super) static LLAMA: Arch = Arch {
    name: "llama",
    title: "Llama",
    classes: &[Class {
        architectures: &["LlamaForCausalLM"],
        defaults: &[
            ("max_position_embeddings", Fill::Whole(2048)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("head_dim", Fill::Quotient("hidden_size", "num_attention_heads")),
            ("rms_norm_eps", Fill::Real(1e-6)),
            ("rope_theta", Fill::Real(10_000.0)),
        ],
    }],
    layer: &[NORMS, PAIRED_ATTENTION, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        keys.whole("vocab_size", config.required(&["vocab_size"])?);
        keys.whole_from(config, "rope.dimension_count", &["head_dim"])
    },
    computed: rope::llama3,
    ..Arch::BASE
};
