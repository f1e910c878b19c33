//! Llama 2 and 3, tied or not, and the many models of their shape (SmolLM, TinyLlama, Yi...).

use super::{Arch, Defaults, Dim, HeadDim, Rule};

pub(super) static LLAMA: Arch = Arch {
    name: "llama",
    title: "Llama",
    architectures: &["LlamaForCausalLM"],
    defaults: Defaults { head_dim: HeadDim::Derived, rms_norm_eps: 1e-6, rope_theta: 10_000.0, context: 2048 },
    layer: &[
        Rule::new("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", &[Dim::Hidden]),
        Rule::new("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", &[Dim::Hidden, Dim::Query])
            .rope(Dim::Query),
        Rule::new("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", &[Dim::Hidden, Dim::KeyValue])
            .rope(Dim::KeyValue),
        Rule::new("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", &[Dim::Hidden, Dim::KeyValue]),
        Rule::new("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", &[Dim::Query, Dim::Hidden]),
        Rule::new("model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", &[Dim::Hidden]),
        Rule::new("model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", &[Dim::Hidden, Dim::FeedForward]),
        Rule::new("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", &[Dim::Hidden, Dim::FeedForward]),
        Rule::new("model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", &[Dim::FeedForward, Dim::Hidden]),
        Rule::new("model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias", &[Dim::Query])
            .rope(Dim::Query)
            .optional(),
        Rule::new("model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias", &[Dim::KeyValue])
            .rope(Dim::KeyValue)
            .optional(),
        Rule::new("model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_v.bias", &[Dim::KeyValue]).optional(),
        Rule::new("model.layers.{}.self_attn.o_proj.bias", "blk.{}.attn_output.bias", &[Dim::Hidden]).optional(),
        Rule::new("model.layers.{}.mlp.gate_proj.bias", "blk.{}.ffn_gate.bias", &[Dim::FeedForward]).optional(),
        Rule::new("model.layers.{}.mlp.up_proj.bias", "blk.{}.ffn_up.bias", &[Dim::FeedForward]).optional(),
        Rule::new("model.layers.{}.mlp.down_proj.bias", "blk.{}.ffn_down.bias", &[Dim::Hidden]).optional(),
    ],
    extra_metadata: |_, hparams, out| {
        out.push(("llama.vocab_size".to_owned(), (hparams.vocabulary as u32).into()));
        out.push(("llama.rope.dimension_count".to_owned(), (hparams.head_dim as u32).into()));
        Ok(())
    },
};
