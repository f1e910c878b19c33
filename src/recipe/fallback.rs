//! What a tensor becomes where a format's blocks do not divide its rows.

use crate::arch::Tensor;
use crate::quant::{
    F16, FormatRef, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, IQ4_NL, IQ4_XS, NVFP4, Q1_0, Q2_0, Q2_K,
    Q3_K, Q4_0, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, TQ1_0, TQ2_0,
};
use crate::units;
use std::fmt;

/// What stands in for a format of large blocks: one of 32 weights a block. The last two are Tuck's own choice, where
/// llama-quantize gives up.
static DEMOTIONS: &[(FormatRef, FormatRef)] = &[
    (&Q6_K, &Q8_0),
    (&Q5_K, &Q5_1),
    (&Q4_K, &Q5_0),
    (&Q3_K, &Q4_0),
    (&Q2_K, &Q4_0),
    (&Q2_0, &Q4_0),
    (&TQ2_0, &Q4_0),
    (&TQ1_0, &Q4_0),
    (&IQ4_XS, &IQ4_NL),
    (&IQ3_S, &IQ4_NL),
    (&IQ3_XXS, &IQ4_NL),
    (&IQ2_S, &IQ4_NL),
    (&IQ2_XS, &IQ4_NL),
    (&IQ2_XXS, &IQ4_NL),
    (&IQ1_M, &IQ4_NL),
    (&IQ1_S, &IQ4_NL),
    (&NVFP4, &IQ4_NL),
    (&Q1_0, &Q4_0),
];

/// `wanted`, or what stands in for it: F16 is the last resort, for rows that no block divides.
pub fn fall_back(tensor: &Tensor, wanted: FormatRef) -> (FormatRef, Option<Fallback>) {
    let columns = tensor.columns();
    if wanted.divides(columns) {
        return (wanted, None);
    }
    let demoted = DEMOTIONS.iter().find(|(from, _)| *from == wanted).map_or(wanted, |(_, to)| to);
    let got = if demoted.divides(columns) { demoted } else { &F16 };
    (got, Some(Fallback::new(tensor, wanted, got)))
}

/// A tensor that could not get the format the recipe wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its GGUF name.
    pub tensor: String,
    /// Weights in a row.
    pub columns: u64,
    /// What the recipe asked for.
    pub wanted: FormatRef,
    /// What it gets.
    pub got: FormatRef,
}

impl Fallback {
    pub(super) fn new(tensor: &Tensor, wanted: FormatRef, got: FormatRef) -> Self {
        Self { tensor: tensor.name.clone(), columns: tensor.columns(), wanted, got }
    }

    /// Why, for people.
    pub fn reason(&self) -> String {
        reason(self.columns, self.wanted)
    }
}

fn reason(columns: u64, wanted: FormatRef) -> String {
    format!("rows of {columns} weights are no multiple of {wanted}'s {}", wanted.block_weights)
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} instead of {}, because {}", self.tensor, self.got, self.wanted, self.reason())
    }
}

/// Fallbacks that share a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackGroup {
    /// What the recipe asked for.
    pub wanted: FormatRef,
    /// What they get.
    pub got: FormatRef,
    /// Weights in a row.
    pub columns: u64,
    /// Their names, in the order of the file.
    pub tensors: Vec<String>,
}

impl FallbackGroup {
    /// Groups fallbacks by formats and row length, in order of first appearance.
    pub fn of(fallbacks: &[Fallback]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for Fallback { tensor, columns, wanted, got } in fallbacks {
            let same = |group: &&mut Self| (group.columns, group.wanted, group.got) == (*columns, *wanted, *got);
            match groups.iter_mut().find(same) {
                Some(group) => group.tensors.push(tensor.clone()),
                None => groups.push(Self { wanted, got, columns: *columns, tensors: vec![tensor.clone()] }),
            }
        }
        groups
    }

    /// `3 tensors cannot be Q4_K: rows of 576 weights are no multiple of Q4_K's 256. They become Q5_0.`
    pub fn sentence(&self) -> String {
        let Self { wanted, got, columns, tensors } = self;
        let (count, they) = match tensors.len() {
            1 => ("1 tensor".to_owned(), "It becomes"),
            n => (format!("{} tensors", units::grouped(n as u64)), "They become"),
        };
        format!("{count} cannot be {wanted}: {}. {they} {got}.", reason(*columns, wanted))
    }

    /// The names with layers left out, each once: `attn_k (30 layers), token_embd`.
    pub fn names(&self) -> String {
        kinds(&self.tensors)
    }
}

/// A list names no more kinds of tensors than this; a model has fewer.
const MOST_KINDS: usize = 40;

/// Names of tensors with layers left out, each once.
pub(super) fn kinds(tensors: &[String]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let mut more = "";
    for tensor in tensors {
        let name = tensor.strip_suffix(".weight").unwrap_or(tensor);
        let kind = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, kind)| kind);
        match kinds.iter().position(|(known, _)| *known == kind) {
            Some(known) => kinds[known].1 += 1,
            None if kinds.len() == MOST_KINDS => more = " and more",
            None => kinds.push((kind, 1)),
        }
    }
    let show = |(kind, count): &(&str, usize)| match count {
        1 => (*kind).to_owned(),
        n => format!("{kind} ({n} layers)"),
    };
    kinds.iter().map(show).collect::<Vec<_>>().join(", ") + more
}
