//! Command R and Aya: attention and MLP side by side, one norm without a bias for both.

use super::Dim::{Head, Heads, KvHeads};
use super::parts::{ATTENTION, GATED_MLP, NORMS, OUTSIDE};
use super::{Arch, Class, Fill, Rule};

pub(super) static COMMAND_R: Arch = Arch {
    name: "command-r",
    title: "Command R",
    classes: &[Class::new(
        &["CohereForCausalLM"],
        &[
            // What the published configurations call max_position_embeddings is not how long the models were trained.
            ("max_position_embeddings", Fill::Whole(8192)),
            ("num_key_value_heads", Fill::Same("num_attention_heads")),
            ("layer_norm_eps", Fill::Real(1e-5)),
            ("rope_theta", Fill::Real(10_000.0)),
            ("logit_scale", Fill::Real(0.0625)),
        ],
    )],
    outside: &[&[OUTSIDE[0], OUTSIDE[1]]],
    layer: &[
        &[NORMS[0]],
        ATTENTION,
        &[
            Rule::weight("self_attn.q_norm", "attn_q_norm", &[Head, Heads]).optional(),
            Rule::weight("self_attn.k_norm", "attn_k_norm", &[Head, KvHeads]).optional(),
        ],
        GATED_MLP,
    ],
    dropped: &["lm_head."],
    keys: |config, keys| {
        keys.common(config)?;
        keys.whole("context_length", config.required(&["model_max_length", "max_position_embeddings"])?);
        keys.number("logit_scale", config.required_number(&["logit_scale"])?);
        keys.set("rope.scaling.type", "none");
        Ok(())
    },
    ..Arch::BASE
};
