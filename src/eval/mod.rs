//! How good a packed model is: from weights, and what they compute, to figures. Pure arithmetic.

mod activations;
mod agreement;
mod divergence;
mod estimate;
mod histogram;
mod weight_error;

pub use activations::{Activations, Squares};
pub use agreement::{Agreement, parting};
pub use divergence::{Divergence, Prediction};
pub use estimate::Estimate;
pub use histogram::Histogram;
pub use weight_error::{ErrorSums, WeightError};
