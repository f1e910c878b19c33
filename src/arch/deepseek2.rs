//! DeepSeek V2 and V3: latent attention, experts after the first layers, shared experts.
//!
//! llama.cpp computes attention on the compressed keys and values. For that the matrix that decompresses them comes in
//! two, the one for keys transposed, and the model looks as if it had one key-value head.

use super::Dim::{
    Experts, Heads, Hidden, KvRank, KvRankRope, MlaAttended, MlaKeyValue, MlaNope, MlaQuery, MlaValue, QueryRank,
};
use super::parts::{DENSE_MLP, EXPERT_MLP, NORMS, SHARED_MLP};
use super::{Arch, Class, Config, Fill, Hparams, Keys, Rope, Rule, View};
use crate::checkpoint::OpenError;

pub(super) static DEEPSEEK2: Arch = Arch {
    name: "deepseek2",
    title: "DeepSeek V2",
    classes: &[
        Class::new(
            &["DeepseekV2ForCausalLM"],
            &[
                ("max_position_embeddings", Fill::Whole(2048)),
                ("rms_norm_eps", Fill::Real(1e-6)),
                ("rope_theta", Fill::Real(10_000.0)),
                ("q_lora_rank", Fill::Whole(1536)),
                ("kv_lora_rank", Fill::Whole(512)),
                ("qk_nope_head_dim", Fill::Whole(128)),
                ("qk_rope_head_dim", Fill::Whole(64)),
                ("v_head_dim", Fill::Whole(128)),
                ("head_dim", Fill::Same("qk_rope_head_dim")),
                ("first_k_dense_replace", Fill::Whole(0)),
                ("n_routed_experts", Fill::Whole(64)),
                ("n_shared_experts", Fill::Whole(2)),
                ("moe_intermediate_size", Fill::Whole(1407)),
                ("routed_scaling_factor", Fill::Real(1.0)),
                ("norm_topk_prob", Fill::Json("false")),
            ],
        ),
        Class::new(
            &["DeepseekV3ForCausalLM"],
            &[
                ("max_position_embeddings", Fill::Whole(4096)),
                ("rms_norm_eps", Fill::Real(1e-6)),
                ("rope_theta", Fill::Real(10_000.0)),
                ("q_lora_rank", Fill::Whole(1536)),
                ("kv_lora_rank", Fill::Whole(512)),
                ("qk_nope_head_dim", Fill::Whole(128)),
                ("qk_rope_head_dim", Fill::Whole(64)),
                ("v_head_dim", Fill::Whole(128)),
                ("head_dim", Fill::Same("qk_rope_head_dim")),
                ("first_k_dense_replace", Fill::Whole(3)),
                ("n_routed_experts", Fill::Whole(256)),
                ("n_shared_experts", Fill::Whole(1)),
                ("num_experts_per_tok", Fill::Whole(8)),
                ("n_group", Fill::Whole(8)),
                ("topk_group", Fill::Whole(4)),
                ("moe_intermediate_size", Fill::Whole(2048)),
                ("routed_scaling_factor", Fill::Real(2.5)),
                ("norm_topk_prob", Fill::Json("true")),
            ],
        ),
    ],
    layer: &[
        NORMS,
        LATENT_ATTENTION,
        DENSE_MLP,
        EXPERT_MLP,
        &[Rule::tensor("mlp.gate.e_score_correction_bias", "exp_probs_b.bias", &[Experts]).sparse().optional()],
        SHARED_MLP,
    ],
    drops_tied_output: true,
    keys,
    ..Arch::BASE
};

const LATENT_ATTENTION: &[Rule] = &[
    Rule::weight("self_attn.q_proj", "attn_q", &[Hidden, MlaQuery]).when(|hparams, _| hparams.query_rank == 0),
    Rule::weight("self_attn.q_a_proj", "attn_q_a", &[Hidden, QueryRank]).when(|hparams, _| hparams.query_rank > 0),
    Rule::weight("self_attn.q_a_layernorm", "attn_q_a_norm", &[QueryRank]).when(|hparams, _| hparams.query_rank > 0),
    Rule::weight("self_attn.q_b_proj", "attn_q_b", &[QueryRank, MlaQuery]).when(|hparams, _| hparams.query_rank > 0),
    Rule::weight("self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa", &[Hidden, KvRankRope]),
    Rule::weight("self_attn.kv_a_layernorm", "attn_kv_a_norm", &[KvRank]),
    Rule::weight("self_attn.kv_b_proj", "attn_k_b", &[MlaNope, KvRank, Heads])
        .stored(&[KvRank, MlaKeyValue])
        .arranged(|stored, hparams| vec![heads(stored, hparams).slice(1, 0..nope(hparams)).swap(1, 2)]),
    Rule::weight("self_attn.kv_b_proj", "attn_v_b", &[KvRank, MlaValue, Heads])
        .stored(&[KvRank, MlaKeyValue])
        .arranged(|stored, hparams| vec![heads(stored, hparams).slice(1, nope(hparams)..u64::MAX)]),
    Rule::weight("self_attn.o_proj", "attn_output", &[MlaAttended, Hidden]),
];

/// Heads, rows of a head's key and value, columns.
fn heads(stored: View, hparams: &Hparams) -> View {
    stored.split(0, &[hparams.heads.first(), nope(hparams) + hparams.mla_value_head])
}

fn nope(hparams: &Hparams) -> u64 {
    hparams.size(MlaNope, 0)
}

fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    let size = |key: &'static str| config.required(&[key]);
    keys.common(config)?;
    keys.whole("attention.head_count_kv", 1);
    keys.whole("leading_dense_block_count", config.count("first_k_dense_replace")?.unwrap_or(0));
    keys.whole("vocab_size", size("vocab_size")?);
    keys.whole_from(config, "attention.q_lora_rank", &["q_lora_rank"])?;
    let (rank, rope) = (size("kv_lora_rank")?, size("qk_rope_head_dim")?);
    keys.whole("attention.kv_lora_rank", rank);
    keys.whole("attention.key_length", rank + rope);
    keys.whole("attention.value_length", rank);
    keys.whole("attention.key_length_mla", size("qk_nope_head_dim")? + rope);
    keys.whole("attention.value_length_mla", size("v_head_dim")?);
    keys.whole("expert_feed_forward_length", config.required(&["moe_intermediate_size", "intermediate_size"])?);
    keys.whole_from(config, "expert_count", &["n_routed_experts"])?;
    keys.whole("expert_shared_count", config.count("n_shared_experts")?.unwrap_or(0));
    keys.number_from(config, "expert_weights_scale", &["routed_scaling_factor"])?;
    if config.flag("norm_topk_prob") == Some(true) {
        keys.set("expert_weights_norm", true);
    }
    keys.whole("rope.dimension_count", rope);
    if let Some(scale) = Rope::read(config).number(config, "mscale_all_dim")? {
        keys.number("rope.scaling.yarn_log_multiplier", 0.1 * scale);
    }
    Ok(())
}
