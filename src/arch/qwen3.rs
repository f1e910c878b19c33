//! Qwen 3, dense: a norm on each head's q and k instead of biases, and a head size of its own.

use super::{Arch, Defaults, Dim, HeadDim, Rule};

pub(super) static QWEN3: Arch = Arch {
    name: "qwen3",
    title: "Qwen 3",
    architectures: &["Qwen3ForCausalLM"],
    defaults: Defaults { head_dim: HeadDim::Fixed(128), rms_norm_eps: 1e-6, rope_theta: 10_000.0, context: 32_768 },
    layer: &[
        Rule::new("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", &[Dim::Hidden]),
        Rule::new("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", &[Dim::Hidden, Dim::Query]),
        Rule::new("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", &[Dim::Hidden, Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", &[Dim::Hidden, Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", &[Dim::Head]),
        Rule::new("model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", &[Dim::Head]),
        Rule::new("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", &[Dim::Query, Dim::Hidden]),
        Rule::new("model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", &[Dim::Hidden]),
        Rule::new("model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", &[Dim::Hidden, Dim::FeedForward]),
        Rule::new("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", &[Dim::Hidden, Dim::FeedForward]),
        Rule::new("model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", &[Dim::FeedForward, Dim::Hidden]),
    ],
    extra_metadata: |_, _, _| Ok(()),
};
