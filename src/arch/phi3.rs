//! Phi 3, 3.5 and 4: queries, keys and values in one, gate and way up in one, longrope.

use super::Dim::{GateUp, Hidden, Qkv};
use super::parts::{ATTENTION, GATED_MLP, NORMS};
use super::{Arch, Class, Config, Fill, Keys, Rope, Rule, rope};
use crate::checkpoint::OpenError;

pub(super) static PHI3: Arch = Arch {
    name: "phi3",
    title: "Phi 3",
    classes: &[Class::new(
        &["Phi3ForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(4096)),
            ("original_max_position_embeddings", Fill::Whole(4096)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("rms_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("partial_rotary_factor", Fill::Real(1.0)),
        ],
    )],
    layer: &[
        NORMS,
        &[
            Rule::weight("self_attn.qkv_proj", "attn_qkv", &[Hidden, Qkv]),
            ATTENTION[3],
            Rule::weight("mlp.gate_up_proj", "ffn_up", &[Hidden, GateUp]),
            GATED_MLP[2],
        ],
    ],
    keys,
    computed: rope::longrope,
    ..Arch::BASE
};

fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    let rope = Rope::read(config);
    let (hidden, heads) = (config.required(&["hidden_size"])?, config.required(&["num_attention_heads"])?);
    let context = config.required(&["n_positions", "max_position_embeddings"])?;
    keys.whole("context_length", context);
    keys.whole("rope.scaling.original_context_length", rope.original_context(config)? as u64);
    keys.whole("embedding_length", hidden);
    keys.whole("feed_forward_length", config.required(&["intermediate_size"])?);
    keys.whole("block_count", config.layers()?);
    keys.whole("attention.head_count", heads);
    keys.whole("attention.head_count_kv", config.required(&["num_key_value_heads"])?);
    keys.number("attention.layer_norm_rms_epsilon", config.required_number(&["rms_norm_eps"])?);
    let part = rope.partial(config)?.unwrap_or(1.0);
    keys.whole("rope.dimension_count", (part * hidden as f64) as u64 / heads);
    if let Some(theta) = rope.number(config, "rope_theta")? {
        keys.number("rope.freq_base", theta);
    }
    keys.file_type();
    // 0 tells llama.cpp that this is Phi 4.
    keys.whole("attention.sliding_window", config.count("sliding_window")?.unwrap_or(0));
    if let Some(factor) = rope.attention_factor(config, context)? {
        keys.number("rope.scaling.attn_factor", factor);
    }
    Ok(())
}
