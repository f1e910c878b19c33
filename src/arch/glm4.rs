//! GLM 4 (0414): norms before and after each part, gate and way up in one, half of each head rotates.

use super::Dim::{GateUp, Hidden};
use super::parts::{ATTENTION, GATED_MLP, NORMS};
use super::{Arch, Class, Fill, Rope, Rule};

pub(super) static GLM4: Arch = Arch {
    name: "glm4",
    title: "GLM 4",
    classes: &[Class::new(
        &["Glm4ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(131_072)),
            ("num_key_value_heads", Fill::Whole(2)),
            ("head_dim", Fill::Whole(128)),
            ("rms_norm_eps", Fill::Real(1.5625e-7)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("partial_rotary_factor", Fill::Real(0.5)),
        ],
    )],
    layer: &[
        NORMS,
        ATTENTION,
        &[
            Rule::weight("post_self_attn_layernorm", "post_attention_norm", &[Hidden]),
            Rule::weight("post_mlp_layernorm", "post_ffw_norm", &[Hidden]),
            Rule::weight("mlp.gate_up_proj", "ffn_up", &[Hidden, GateUp]),
            GATED_MLP[2],
        ],
    ],
    keys: |config, keys| {
        keys.common(config)?;
        let part = Rope::read(config).partial(config)?.unwrap_or(0.5);
        keys.whole("rope.dimension_count", (part * config.head()? as f64) as u64);
        Ok(())
    },
    ..Arch::BASE
};
