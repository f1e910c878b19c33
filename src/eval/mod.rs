//! How good a packed model is: from weights, and what they compute, to figures. Pure arithmetic.

mod weight_error;

pub use weight_error::{ErrorSums, WeightError};
