//! GLM 4.5 and 4.6: experts after the first layers, a shared expert, and layers that predict further tokens.

use super::Dim::{Experts, Hidden, TwoHidden, Vocabulary};
use super::parts::{ATTENTION, DENSE_MLP, EXPERT_MLP, HEAD_NORMS, NORMS, SHARED_MLP};
use super::{Arch, Class, Config, Fill, Hparams, Keys, Rope, Rule};
use crate::checkpoint::OpenError;

pub(super) static GLM4MOE: Arch = Arch {
    name: "glm4moe",
    title: "GLM 4 MoE",
    classes: &[Class::new(
        &["Glm4MoeForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(131_072)),
            ("num_key_value_heads", Fill::Whole(8)),
            ("rms_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("partial_rotary_factor", Fill::Real(0.5)),
            ("moe_intermediate_size", Fill::Whole(1408)),
            ("num_experts_per_tok", Fill::Whole(8)),
            ("n_group", Fill::Whole(1)),
            ("topk_group", Fill::Whole(1)),
            ("n_shared_experts", Fill::Whole(1)),
            ("n_routed_experts", Fill::Whole(128)),
            ("routed_scaling_factor", Fill::Real(1.0)),
            ("first_k_dense_replace", Fill::Whole(1)),
            ("norm_topk_prob", Fill::Json("true")),
        ],
    )],
    layer: &[
        &[NORMS[0], Rule::weight("post_attention_layernorm", "post_attention_norm", &[Hidden])],
        ATTENTION,
        &[HEAD_NORMS[0].optional(), HEAD_NORMS[1].optional()],
        DENSE_MLP,
        EXPERT_MLP,
        &[Rule::tensor("mlp.gate.e_score_correction_bias", "exp_probs_b.bias", &[Experts]).sparse()],
        SHARED_MLP,
        PREDICTION,
    ],
    keys,
    ..Arch::BASE
};

/// What layers have that predict further tokens.
const PREDICTION: &[Rule] = &[
    Rule::weight("eh_proj", "nextn.eh_proj", &[TwoHidden, Hidden]).when(predicts),
    Rule::weight("enorm", "nextn.enorm", &[Hidden]).when(predicts),
    Rule::weight("hnorm", "nextn.hnorm", &[Hidden]).when(predicts),
    Rule::weight("embed_tokens", "nextn.embed_tokens", &[Hidden, Vocabulary]).when(predicts).optional(),
    Rule::weight("shared_head.head", "nextn.shared_head_head", &[Hidden, Vocabulary]).when(predicts).optional(),
    Rule::weight("shared_head.norm", "nextn.shared_head_norm", &[Hidden]).when(predicts).optional(),
];

fn predicts(hparams: &Hparams, layer: u64) -> bool {
    layer + hparams.prediction_layers >= hparams.layers
}

fn keys(config: &Config<'_>, keys: &mut Keys) -> Result<(), OpenError> {
    let predicting = config.count("num_nextn_predict_layers")?;
    keys.common(config)?;
    keys.whole("block_count", config.layers()? + predicting.unwrap_or(0));
    let part = Rope::read(config).partial(config)?.unwrap_or(0.5);
    keys.whole("rope.dimension_count", (part * config.head()? as f64) as u64);
    keys.whole_from(config, "expert_count", &["n_routed_experts"])?;
    keys.whole_from(config, "expert_feed_forward_length", &["moe_intermediate_size"])?;
    keys.count_from(config, "expert_shared_count", "n_shared_experts")?;
    keys.count_from(config, "leading_dense_block_count", "first_k_dense_replace")?;
    // Sigmoid.
    keys.whole("expert_gating_func", 2);
    keys.number_from(config, "expert_weights_scale", &["routed_scaling_factor"])?;
    if let Some(is_normed) = config.flag("norm_topk_prob") {
        keys.set("expert_weights_norm", is_normed);
    }
    keys.count_from(config, "nextn_predict_layers", "num_nextn_predict_layers")
}
