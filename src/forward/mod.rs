//! The forward pass of a model as plain data: what is computed, in which order, from which weights.
//!
//! A [`Program`] is a list of [`Step`]s over registers. A register holds a row of f32 for each token of a batch; the first
//! is the residual stream, which a layer reads and writes. [`layer`] records the program of a layer from the tensors that are
//! there, so most differences between families (fused projections, norms after a block, biases, norms of heads, gated MLPs)
//! need no word about the family; what the tensors cannot tell is in [`Facts`].
//!
//! Runners execute programs: [`crate::cpu`] on the processor.

mod facts;
mod layer;

pub use facts::Facts;
pub use layer::{embedding, layer, output};

use std::sync::Arc;

/// A row of activations for each token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What is applied to each number between the two halves of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// x · Φ(x), by its approximation with tanh, as ggml computes it.
    Gelu,
    /// max(x, 0)².
    SquaredRelu,
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
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// From queries, keys and values.
    Attention(Attention),
    /// A function of each number.
    Activate(Activation),
    /// A function of each number of the first, times that of the second.
    Gate(Activation),
    /// The sum of two.
    Add,
    /// A multiple.
    Scale(f32),
    /// `c · tanh(x / c)`.
    Softcap(f32),
    /// Columns from this one on, as many as the result is wide.
    Columns(usize),
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub from: Vec<Register>,
    /// What it writes; never one that it reads, but for steps that change each number by itself.
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
    /// Names of the tensors it needs, in the order of their use.
    pub fn tensors(&self) -> impl Iterator<Item = &str> {
        self.steps
            .iter()
            .flat_map(|step| match &step.op {
                Op::Linear { weight, bias } => [Some(weight), bias.as_ref()],
                Op::Norm { weight, bias, .. } => [weight.as_ref(), bias.as_ref()],
                _ => [None, None],
            })
            .flatten()
            .map(String::as_str)
    }
}
