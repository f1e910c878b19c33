//! MiniCPM 1 and 2: a Llama whose steps are scaled.

use super::parts::{GATED_MLP, NORMS, PAIRED_ATTENTION};
use super::{Arch, Class, Fill, rope};

pub(super) static MINICPM: Arch = Arch {
    name: "minicpm",
    title: "MiniCPM",
    classes: &[Class::new(&["MiniCPMForCausalLM"], &[("num_key_value_heads", Fill::Same("num_attention_heads"))])],
    layer: &[NORMS, PAIRED_ATTENTION, GATED_MLP],
    keys: |config, keys| {
        keys.common(config)?;
        keys.number("embedding_scale", config.required_number(&["scale_emb"])?);
        let depth = config.required_number(&["scale_depth"])?;
        keys.number("residual_scale", depth / (config.layers()? as f64).sqrt());
        let hidden = config.required(&["hidden_size"])? as f64;
        keys.number("logit_scale", hidden / config.required_number(&["dim_model_base"])?);
        Ok(())
    },
    computed: rope::longrope,
    ..Arch::BASE
};
