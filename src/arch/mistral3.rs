//! Mistral Small 3.1 and Ministral 3, the language model: a Mistral, with yarn and a scale that grows with the text.

use super::llama::{self, MISTRAL_DEFAULTS};
use super::parts::{GATED_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Rope, rope};

pub(super) static MISTRAL3: Arch = Arch {
    name: "mistral3",
    title: "Mistral 3",
    classes: &[Class::new(&["Mistral3ForConditionalGeneration", "Ministral3ForCausalLM"], MISTRAL_DEFAULTS)],
    layer: &[NORMS, PAIRED_ATTENTION, GATED_MLP],
    keys: |config, keys| {
        llama::keys(config, keys)?;
        if config.text("model_type") == Some("ministral3") {
            let rope = Rope::read(config);
            for (key, setting) in [
                ("rope.scaling.yarn_log_multiplier", "mscale_all_dim"),
                ("attention.temperature_scale", "llama_4_scaling_beta"),
            ] {
                let value = rope.number(config, setting)?.ok_or_else(|| config.missing(setting))?;
                keys.number(key, value);
            }
        }
        Ok(())
    },
    computed: rope::llama3,
    ..Arch::BASE
};
