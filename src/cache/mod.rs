//! What is kept of a text while a model reads it: keys and values, and in how many bytes.
//!
//! A [`Cache`] is plain data. The recorder of the forward pass ([`crate::forward`]) puts it where keys and values are made, and
//! the runners compute with it: [`Row`] says what becomes of each row of queries, keys and values, which both runners do;
//! [`Held`] says what is left of earlier tokens, which the processor alone does. [`CHOICES`] is the list that reports and the
//! window loop over.

mod blocks;
mod choices;
mod fp8;
mod groups;
mod held;
mod merge;
mod rotation;
mod row;
mod subspace;

pub use blocks::{BLOCKS, Blocks, Levels, blocks_of};
pub use choices::{CHOICES, Choice, Kind, choice_from_name};
pub use groups::{GROUP, group_bits, round_group};
pub use held::{Held, SINKS};
pub use merge::{PAGE, merge_page};
pub use rotation::{rotate, rotation_of_keys, rotation_of_values};
pub use row::Row;
pub use subspace::Subspace;

/// How a layer keeps what it needs of earlier tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// What becomes of queries: llama.cpp's CPU kernels round them to multiply with quantized keys.
    pub queries: Row,
    /// What becomes of keys, after their rotation by position.
    pub keys: Row,
    /// What becomes of values.
    pub values: Row,
    /// What is left of earlier tokens.
    pub held: Held,
}

impl Cache {
    /// Bytes of keys and of values of a layer that keeps `cells` tokens in `kv_heads` heads of these sizes. Where keys and
    /// values are rows of llama.cpp's types and all are held, this is what it allocates.
    pub fn bytes(&self, cells: u64, kv_heads: u64, [key, value]: [u64; 2]) -> [u64; 2] {
        let own = [self.keys.bits(), self.values.bits()];
        let bits = self.held.bits(cells, [key, value], own);
        bits.map(|bits| (bits * kv_heads).div_ceil(8))
    }
}
