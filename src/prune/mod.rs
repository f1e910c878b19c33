//! Leaving weights out: single ones, by pattern; and whole layers, channels, heads and experts. Pure arithmetic.
//!
//! Single weights go by their [`scores`]: their magnitude; Wanda's, which is that times the norm of what the column is
//! multiplied with (M. Sun et al., arXiv 2306.11695); or SparseGPT's, which also changes the weights that stay so that they
//! make good what is lost (E. Frantar and D. Alistarh, arXiv 2301.00774). [`sparsify`] does the first two, and
//! [`sparsegpt()`] the third.
//!
//! Of what goes as a whole, the Gram matrix of inputs tells how much is lost once the rest makes good what it can
//! ([`without`]); of layers, how little they change ([`influence`]) and what their neighbour can take over ([`Fold`]).

mod channels;
mod entropy;
mod fold;
mod influence;
mod mask;
mod pattern;
mod score;
mod sparsegpt;

pub use channels::{choose_channels, choose_groups, columns_of, without};
pub use entropy::entropy_coded;
pub use fold::Fold;
pub use influence::influence;
pub use mask::{Limit, sparsify};
pub use pattern::{Cut, Layers, METHODS, Method, Pattern, SCOPES, Scope, Sparsity};
pub use score::scores;
pub use sparsegpt::sparsegpt;

/// Says whether to stop; asked several times a second.
pub type Stopped<'a> = &'a (dyn Fn() -> bool + Sync);
