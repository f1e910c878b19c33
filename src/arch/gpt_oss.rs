//! OpenAI's gpt-oss: experts in MXFP4, whose gates and ways up take turns row by row; attention with sinks.

use super::Dim::{ExpertFeedForward, ExpertGateUp, Experts, Heads, Hidden};
use super::arrange::{even_rows, odd_rows, transposed};
use super::parts::{ATTENTION, NORMS, POST_NORMS};
use super::{Arch, Class, Fill, Hparams, Rule, View};

pub(super) static GPT_OSS: Arch = Arch {
    name: "gpt-oss",
    title: "gpt-oss",
    classes: &[Class::new(
        &["GptOssForCausalLM"],
        &[
            ("max_position_embeddings", Fill::Whole(131_072)),
            ("num_key_value_heads", Fill::Whole(8)),
            ("head_dim", Fill::Whole(64)),
            ("rms_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(150_000.0)),
            (
                "rope_scaling",
                Fill::Json(
                    r#"{"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                        "original_max_position_embeddings": 4096}"#,
                ),
            ),
            ("sliding_window", Fill::Whole(128)),
            ("num_local_experts", Fill::Whole(128)),
            ("num_experts_per_tok", Fill::Whole(4)),
        ],
    )],
    layer: &[
        &[
            NORMS[0],
            POST_NORMS[0],
            ATTENTION[0].biased(),
            ATTENTION[1].biased(),
            ATTENTION[2].biased(),
            ATTENTION[3].biased(),
            Rule::tensor("self_attn.sinks", "attn_sinks.weight", &[Heads]),
            Rule::weight("mlp.router", "ffn_gate_inp", &[Hidden, Experts]).biased(),
        ],
        EXPERTS_AS_PUBLISHED,
        EXPERTS_AS_FLOATS,
        EXPERT_BIASES,
    ],
    keys: |config, keys| {
        keys.common(config)?;
        keys.whole("attention.sliding_window", config.required(&["sliding_window"])?);
        keys.whole("expert_feed_forward_length", config.required(&["intermediate_size"])?);
        Ok(())
    },
    ..Arch::BASE
};

const EXPERTS_AS_PUBLISHED: &[Rule] = &[
    Rule::split_mxfp4("mlp.experts.gate_up_proj", "ffn_gate_exps.weight", &[Hidden, ExpertFeedForward, Experts])
        .stored(&[Hidden, ExpertGateUp, Experts])
        .arranged(even_rows),
    Rule::split_mxfp4("mlp.experts.gate_up_proj", "ffn_up_exps.weight", &[Hidden, ExpertFeedForward, Experts])
        .stored(&[Hidden, ExpertGateUp, Experts])
        .arranged(odd_rows),
    Rule::split_mxfp4("mlp.experts.down_proj", "ffn_down_exps.weight", &[ExpertFeedForward, Hidden, Experts]),
];

/// Fine-tuned models come without MXFP4, and then their columns come first.
const EXPERTS_AS_FLOATS: &[Rule] = &[
    Rule::tensor("mlp.experts.gate_up_proj", "ffn_gate_exps.weight", &[Hidden, ExpertFeedForward, Experts])
        .stored(&[ExpertGateUp, Hidden, Experts])
        .arranged(|stored, hparams| turned(even_rows, stored, hparams)),
    Rule::tensor("mlp.experts.gate_up_proj", "ffn_up_exps.weight", &[Hidden, ExpertFeedForward, Experts])
        .stored(&[ExpertGateUp, Hidden, Experts])
        .arranged(|stored, hparams| turned(odd_rows, stored, hparams)),
    Rule::tensor("mlp.experts.down_proj", "ffn_down_exps.weight", &[ExpertFeedForward, Hidden, Experts])
        .stored(&[Hidden, ExpertFeedForward, Experts])
        .arranged(transposed),
];

fn turned(rows: super::Arrange, stored: View, hparams: &Hparams) -> Vec<View> {
    transposed(stored, hparams).into_iter().flat_map(|view| rows(view, hparams)).collect()
}

const EXPERT_BIASES: &[Rule] = &[
    Rule::tensor("mlp.experts.gate_up_proj_bias", "ffn_gate_exps.bias", &[ExpertFeedForward, Experts])
        .stored(&[ExpertGateUp, Experts])
        .arranged(|stored, _| vec![stored.every(1, 2, 0)]),
    Rule::tensor("mlp.experts.gate_up_proj_bias", "ffn_up_exps.bias", &[ExpertFeedForward, Experts])
        .stored(&[ExpertGateUp, Experts])
        .arranged(|stored, _| vec![stored.every(1, 2, 1)]),
    Rule::tensor("mlp.experts.down_proj_bias", "ffn_down_exps.bias", &[Hidden, Experts]),
];
