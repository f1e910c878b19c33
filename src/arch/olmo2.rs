//! OLMo 2 and 3: norms after attention and MLP, and on q and k as a whole; OLMo 3 has a sliding window.

use super::olmoe::WHOLE_NORMS;
use super::parts::{ATTENTION, GATED_MLP, POST_NORMS};
use super::{Arch, Class, Fill};

pub(super) static OLMO2: Arch = Arch {
    name: "olmo2",
    title: "OLMo 2",
    classes: &[
        Class::new(
            &["Olmo2ForCausalLM"],
            &[
                ("max_position_embeddings", Fill::Whole(2048)),
                ("num_key_value_heads", Fill::Same("num_attention_heads")),
                ("rms_norm_eps", Fill::Real(1e-5)),
                ("rope_theta", Fill::Real(10_000.0)),
            ],
        ),
        Class::new(
            &["Olmo3ForCausalLM"],
            &[
                ("max_position_embeddings", Fill::Whole(2048)),
                ("num_key_value_heads", Fill::Same("num_attention_heads")),
                ("rms_norm_eps", Fill::Real(1e-5)),
                ("rope_theta", Fill::Real(10_000.0)),
                ("sliding_window", Fill::Whole(4096)),
            ],
        ),
    ],
    layer: &[POST_NORMS, ATTENTION, WHOLE_NORMS, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        if let Some(window) = config.size(&["sliding_window"])? {
            keys.whole("attention.sliding_window", window);
            keys.flags("attention.sliding_window_pattern", config.windowed_layers(|layer| (layer + 1) % 4 != 0)?);
        }
        Ok(())
    },
    ..Arch::BASE
};
