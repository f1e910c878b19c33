//! Qwen 2 and 2.5, dense: biases on q, k and v, rope in Hugging Face's order.

use super::{Arch, Defaults, Dim, HeadDim, Rule};

pub(super) static QWEN2: Arch = Arch {
    name: "qwen2",
    title: "Qwen 2",
    architectures: &["Qwen2ForCausalLM"],
    defaults: Defaults {
        head_dim: HeadDim::DerivedUnwritten,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        context: 32_768,
    },
    layer: &[
        Rule::new("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", &[Dim::Hidden]),
        Rule::new("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", &[Dim::Hidden, Dim::Query]),
        Rule::new("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", &[Dim::Hidden, Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", &[Dim::Hidden, Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias", &[Dim::Query]),
        Rule::new("model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias", &[Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias", &[Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", &[Dim::Query, Dim::Hidden]),
        Rule::new("model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", &[Dim::Hidden]),
        Rule::new("model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", &[Dim::Hidden, Dim::FeedForward]),
        Rule::new("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", &[Dim::Hidden, Dim::FeedForward]),
        Rule::new("model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", &[Dim::FeedForward, Dim::Hidden]),
    ],
    extra_metadata: |_, _, _| Ok(()),
};
