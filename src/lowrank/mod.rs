//! Low rank without training: the leading singular vectors of a matrix, plain or as its inputs weigh it.
//!
//! What a matrix E costs under inputs x is the mean of |E x|² = |E R|², where R · Rᵀ is the mean of x · xᵀ
//! ([`Hessian`](crate::feedback::Hessian) has that root). The best E' of rank k is then U · Uᵀ · E with the k leading left
//! singular vectors U of E R: a product of two factors, U and Uᵀ E, for which R is never inverted, and whose first k' rows are
//! the best of rank k' (C. Eckart and G. Young, 1936; X. Wang et al., "SVD-LLM", arXiv 2403.07378; S. Liu et al., "EoRA", arXiv
//! 2410.21271). Of weights that makes a smaller matrix, and of the error of quantized weights an adapter.
//!
//! [`leading`] finds U by random blocks; [`Steps`] are what is computed on the processor ([`Host`]) or on a GPU. How the bytes of
//! an adapter are spread over matrices is [`recipe::spread`](crate::recipe::spread)'s.

mod eigen;
mod factors;
mod finder;
mod host;
mod orthonormal;

pub use factors::{Factors, add};
pub use finder::{DEPTH, Leading, Steps, leading};
pub use host::Host;
pub use orthonormal::orthonormalise;
