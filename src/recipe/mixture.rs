//! Steps away from a recipe's main format: for which part of a model, and when.

use crate::quant::FormatRef;

/// What a matrix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// From the residual stream to a score for each token.
    Output,
    /// From tokens to the residual stream.
    TokenEmbd,
    /// Values of attention, also where they share a matrix with queries and keys.
    AttnV,
    /// Keys of attention.
    AttnK,
    /// Queries of attention.
    AttnQ,
    /// From attention back to the residual stream.
    AttnOutput,
    /// The MLP's way up.
    FfnUp,
    /// The MLP's gate.
    FfnGate,
    /// The MLP's way down.
    FfnDown,
    /// Anything else.
    Other,
}

/// Parts of names, looked for in this order.
static PARTS: &[(&str, Part)] = &[
    ("attn_qkv.weight", Part::AttnV),
    ("attn_kv_b.weight", Part::AttnV),
    ("attn_v.weight", Part::AttnV),
    ("attn_k.weight", Part::AttnK),
    ("attn_q.weight", Part::AttnQ),
    ("attn_output.weight", Part::AttnOutput),
    ("ffn_up", Part::FfnUp),
    ("ffn_gate", Part::FfnGate),
    ("ffn_down", Part::FfnDown),
];

impl Part {
    /// Of a tensor with this GGUF name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "output.weight" => Self::Output,
            "token_embd.weight" | "per_layer_token_embd.weight" => Self::TokenEmbd,
            _ => PARTS.iter().find(|(piece, _)| name.contains(piece)).map_or(Self::Other, |(_, part)| *part),
        }
    }
}

/// A condition of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Four or more query heads share a value head, so its matrix is small and more bits for it are cheap.
    GroupedQueries,
    /// Four experts or more.
    FourExperts,
    /// Eight experts, as in Mixtral, whose attention is a small part of the model.
    EightExperts,
    /// A matrix of its own, not a stack of experts.
    Unstacked,
    /// The family is Falcon.
    Falcon,
    /// The family is another one.
    NotFalcon,
    /// There is an importance matrix.
    Imatrix,
    /// There is none.
    NoImatrix,
    /// The first so many of their kind.
    First(u64),
    /// The first sixteenth of the layers.
    FirstSixteenth,
    /// The first eighth of the layers.
    FirstEighth,
    /// All but the first and last eighth of the layers.
    MiddleLayers,
    /// The first and last eighth of the layers, and every third between.
    Scattered,
}

/// What conditions are about: a tensor and the model around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// Query heads for each key-value head.
    pub(super) queries_per_value: u64,
    /// Experts of a layer.
    pub(super) experts: u64,
    /// Whether the family is Falcon.
    pub(super) is_falcon: bool,
    /// Whether there is an importance matrix.
    pub(super) has_imatrix: bool,
    /// Whether the tensor is a stack of matrices, one for each expert.
    pub(super) is_stack: bool,
    /// How many of its kind came before, or its layer.
    pub(super) index: u64,
    /// How many of its kind there are.
    pub(super) count: u64,
}

impl When {
    fn holds(self, at: &Situation) -> bool {
        let (index, eighth, last_eighth) = (at.index, at.count / 8, 7 * at.count / 8);
        match self {
            Self::GroupedQueries => at.queries_per_value >= 4,
            Self::FourExperts => at.experts >= 4,
            Self::EightExperts => at.experts == 8,
            Self::Unstacked => !at.is_stack,
            Self::Falcon => at.is_falcon,
            Self::NotFalcon => !at.is_falcon,
            Self::Imatrix => at.has_imatrix,
            Self::NoImatrix => !at.has_imatrix,
            Self::First(count) => index < count,
            Self::FirstSixteenth => index < at.count / 16,
            Self::FirstEighth => index < eighth,
            Self::MiddleLayers => (eighth..last_eighth).contains(&index),
            Self::Scattered => index < eighth || index >= last_eighth || (index - eighth) % 3 == 2,
        }
    }
}

/// Another format for some parts, where all conditions hold.
#[derive(Debug)]
pub(super) struct Step {
    parts: &'static [Part],
    when: &'static [When],
    format: FormatRef,
}

/// A step for these parts (any, where none is named), under all of these conditions.
pub(super) const fn step(parts: &'static [Part], when: &'static [When], format: FormatRef) -> Step {
    Step { parts, when, format }
}

/// The format of the first step that applies.
pub(super) fn first(steps: &[Step], part: Part, at: &Situation) -> Option<FormatRef> {
    let applies = |step: &&Step| {
        (step.parts.is_empty() || step.parts.contains(&part)) && step.when.iter().all(|when| when.holds(at))
    };
    steps.iter().find(applies).map(|step| step.format)
}
