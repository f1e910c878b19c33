//! The forward pass of a model as plain data: what is computed, in which order, from which weights.
//!
//! A [`Program`] is a list of [`Step`]s over registers. A register holds a row of f32 for each token of a batch; the first
//! is the residual stream, which a layer reads and writes. [`layer`] records the program of a layer from the tensors that are
//! there, so most differences between families (fused projections, norms after a block, biases, norms of heads, gated MLPs)
//! need no word about the family; what the tensors cannot tell is in [`Facts`].
//!
//! Runners execute programs: [`crate::cpu`] on the processor, [`crate::gpu`] on a GPU.

mod attention;
mod facts;
mod layer;
mod matrix;
mod mlp;
mod record;
mod rope;
mod sampler;

pub use facts::{Facts, Unsupported};
pub use layer::{embedding, layer, layers, output};
pub use matrix::{Matrices, Matrix};
pub use rope::factors;
pub use sampler::{Sampling, draw_gradient, most_likely, probability};

use crate::cache::{Held, Row};
use std::collections::HashMap;
use std::sync::Arc;

/// A row of activations for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register(pub usize);

/// The residual stream.
pub const RESIDUAL: Register = Register(0);

/// How rows are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// By the root of their mean square.
    Rms {
        /// Added to the mean square.
        epsilon: f32,
    },
    /// By mean and variance.
    Layer {
        /// Added to the variance.
        epsilon: f32,
    },
}

/// What is applied to each number, most often between the two halves of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// x · Φ(x), by its approximation with tanh, as ggml computes it.
    Gelu,
    /// max(x, 0)².
    SquaredRelu,
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// Of a gate only: x · sigmoid(1.702 x) of min(x, 7), times 1 more than the other half within ± 7, as gpt-oss has it.
    ClampedSwiglu,
}

/// Which numbers of a head rotate with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Neighbours: 2 i and 2 i + 1.
    Neighbours,
    /// Halves: i and i + dims / 2.
    Halves,
}

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// What rotates with what.
    pub pairs: Pairs,
    /// Angle by position for each pair, in radians; twice as many numbers of each head rotate.
    pub frequencies: Arc<[f32]>,
    /// What the rotated numbers are multiplied by.
    pub magnitude: f32,
}

/// Attention within a chunk of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Size of a query or key head.
    pub key: usize,
    /// Size of a value head.
    pub value: usize,
    /// What the products of queries and keys are multiplied by.
    pub scale: f32,
    /// How many tokens back a token sees, itself included, if not all.
    pub window: Option<usize>,
    /// `c · tanh(score / c)`, if any.
    pub softcap: Option<f32>,
    /// Scores fall with distance instead of by rotation (ALiBi), in the first head at most by `2^(−this / heads)` a token.
    pub alibi: Option<f32>,
    /// Name of a score for each head that takes a share and gives nothing.
    pub sinks: Option<String>,
    /// What is left of earlier tokens. Runners on a GPU hold all of them.
    pub held: Held,
}

/// How shares of experts follow from a router's logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gating {
    /// Softmax over all experts.
    Softmax,
    /// Sigmoid of each.
    Sigmoid,
    /// Softmax over those that were chosen.
    SoftmaxOfChosen,
}

/// An MLP of experts, of which each token sees a few.
#[derive(Clone, Debug, PartialEq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many a token sees.
    pub used: usize,
    /// How their shares come about.
    pub gating: Gating,
    /// Name of what is added to each share for the choice alone.
    pub bias: Option<String>,
    /// Groups of experts, of which so many are looked at; the two best of each speak for it. `[1, 1]` where there are none.
    pub groups: [usize; 2],
    /// Whether the shares of those chosen are made to sum to 1.
    pub normed: bool,
    /// What the shares are multiplied by.
    pub scale: f32,
    /// Between gate and up.
    pub activation: Activation,
    /// Names of the matrices of gates, ups and downs, `[inputs, outputs, experts]`.
    pub matrices: [String; 3],
    /// Names of their biases.
    pub biases: [Option<String>; 3],
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `x · weightᵀ + bias`.
    Linear {
        /// Name of the matrix, `[inputs, outputs]`.
        weight: String,
        /// Name of the bias.
        bias: Option<String>,
    },
    /// The same for each head by itself.
    HeadLinear {
        /// Name of the matrices, `[inputs, outputs, heads]`.
        weight: String,
        /// How many heads.
        heads: usize,
    },
    /// Rows, or heads of `width` numbers within rows, are normalised, multiplied and shifted.
    Norm {
        /// How.
        norm: Norm,
        /// Numbers that are normalised together.
        width: usize,
        /// Name of the factors: `width` of them, or one for each number of a row.
        weight: Option<String>,
        /// Name of what is added.
        bias: Option<String>,
    },
    /// Heads of `head` numbers are rotated by their position.
    Rope {
        /// How.
        rope: Rope,
        /// Numbers of a head.
        head: usize,
    },
    /// A row of a table is added, by position.
    Positions {
        /// Name of the table.
        weight: String,
    },
    /// Rows grow with their position: by `1 + scale · log(1 + ⌊position / every⌋)`.
    Temperature {
        /// How much.
        scale: f32,
        /// How often.
        every: usize,
    },
    /// Heads become what a cache keeps of them.
    Keep(Row),
    /// From queries, keys and values.
    Attention(Attention),
    /// From rows and a router's logits for them.
    Experts(Experts),
    /// A function of each number.
    Activate(Activation),
    /// A function of each number of the first, times that of the second.
    Gate(Activation),
    /// The sum of two.
    Add,
    /// Rows of the first, each times the one number of the second.
    Weigh,
    /// A multiple.
    Scale(f32),
    /// `c · tanh(x / c)`.
    Softcap(f32),
    /// Numbers beyond ± this become that.
    Clamp(f32),
    /// Some columns of each group of columns.
    Columns {
        /// The first of them in each group.
        first: usize,
        /// Columns of a group.
        group: usize,
    },
    /// Head by head, those of the first and then those of the second.
    Join {
        /// How many heads each has.
        heads: usize,
    },
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub from: Vec<Register>,
    /// What it writes; never one that it reads, but for steps that change each number or each head by itself.
    pub to: Register,
}

/// Steps in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Numbers in a row of each register.
    pub widths: Vec<usize>,
    /// In the order of execution.
    pub steps: Vec<Step>,
}

impl Program {
    /// Names of the tensors it needs, in the order of their use. They are there and have the right shapes: who recorded the
    /// program looked.
    pub fn tensors(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|step| step.op.tensors())
    }
}

impl Program {
    /// The number of the step after which each register is free; the residual stream and the one wanted never are.
    pub fn last_uses(&self, wanted: Register) -> Vec<usize> {
        let mut last = vec![0; self.widths.len()];
        for (number, step) in self.steps.iter().enumerate() {
            for register in step.from.iter().chain([&step.to]) {
                last[register.0] = number;
            }
        }
        for kept in [RESIDUAL, wanted] {
            last[kept.0] = usize::MAX;
        }
        last
    }

    /// What comes before the step of that number.
    pub fn before(&self, step: usize) -> Self {
        Self { widths: self.widths.clone(), steps: self.steps[..step].to_vec() }
    }

    /// Names of the matrices that rows are multiplied with, in the order of their use.
    pub fn matrices(&self) -> impl Iterator<Item = &String> {
        self.steps.iter().flat_map(|step| match &step.op {
            Op::Linear { weight, .. } | Op::HeadLinear { weight, .. } => vec![weight],
            Op::Experts(experts) => experts.matrices.iter().collect(),
            _ => Vec::new(),
        })
    }

    /// Each of those matrices with the first that multiplies the same rows, which may be itself.
    pub fn shared_inputs(&self) -> Vec<(String, String)> {
        let mut first: HashMap<Register, &String> = HashMap::new();
        let mut pairs = Vec::new();
        for step in &self.steps {
            match &step.op {
                Op::Linear { weight, .. } => {
                    let owner = *first.entry(step.from[0]).or_insert(weight);
                    pairs.push((weight.clone(), owner.clone()));
                }
                Op::HeadLinear { weight, .. } => pairs.push((weight.clone(), weight.clone())),
                Op::Experts(experts) => {
                    let [gate, up, down] = &experts.matrices;
                    pairs.extend([(gate, gate), (up, gate), (down, down)].map(|(a, b)| (a.clone(), b.clone())));
                }
                _ => {}
            }
            // What is written has other rows from now on.
            first.remove(&step.to);
        }
        pairs
    }
}

impl Op {
    /// Names of the tensors it needs.
    fn tensors(&self) -> Vec<&str> {
        match self {
            Self::Linear { weight, bias } => bias.iter().chain([weight]).map(String::as_str).collect(),
            Self::HeadLinear { weight, .. } | Self::Positions { weight } => vec![weight],
            Self::Norm { weight, bias, .. } => weight.iter().chain(bias).map(String::as_str).collect(),
            Self::Attention(attention) => attention.sinks.iter().map(String::as_str).collect(),
            Self::Experts(experts) => {
                let biases = experts.biases.iter().chain([&experts.bias]).flatten();
                experts.matrices.iter().chain(biases).map(String::as_str).collect()
            }
            _ => Vec::new(),
        }
    }
}
