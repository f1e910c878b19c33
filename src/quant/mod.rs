//! Block formats of GGUF tensors: how weights are laid out in bytes, and how they get there.
//!
//! One file a format. Each owns its facts (ggml type id, block size, layout with a compile-time size check) and its
//! arithmetic (`quantize`, `dequantize`), which is also what the GPU kernel of the same name has to equal. Everything
//! else in Tuck loops over [`FORMATS`]; adding a format is one file here, its shader, and one line in the list.

use std::fmt;
use std::sync::LazyLock;

/// A block format: its facts and its arithmetic.
///
/// A row of a tensor is a whole number of blocks; a block holds `block_weights` weights in `block_bytes` bytes.
pub struct Format {
    /// The field's name for it, as llama.cpp prints it: `Q4_K`.
    pub name: &'static str,
    /// `enum ggml_type` in `ggml.h`, the number stored in a GGUF tensor info.
    pub ggml_type: u32,
    /// Weights in a block (1 for the float formats).
    pub block_weights: usize,
    /// Bytes in a block.
    pub block_bytes: usize,
    /// Whether importance changes what is written. Floats and Q8_0 round, and there is nothing to weigh.
    pub weighted: bool,
    /// One sentence for people choosing it.
    pub about: &'static str,
    /// Writes whole blocks from `src.len() / block_weights * block_weights` weights; `dst` has just the room.
    /// With importance the squared error that is kept small counts each weight by its column.
    pub quantize: fn(src: &[f32], how: Search<'_>, dst: &mut [u8]),
    /// Reads whole blocks back into weights.
    pub dequantize: fn(src: &[u8], dst: &mut [f32]),
}

/// A format is compared and passed by reference to its one static description.
pub type FormatRef = &'static Format;

impl Format {
    /// Bytes of `weights` weights; `weights` is a multiple of the block.
    pub fn bytes(&self, weights: u64) -> u64 {
        weights / self.block_weights as u64 * self.block_bytes as u64
    }

    /// Whether a row of `columns` weights is a whole number of blocks.
    pub fn divides(&self, columns: u64) -> bool {
        columns.is_multiple_of(self.block_weights as u64)
    }

    /// Bits a weight takes in this format, scales included.
    pub fn bits_per_weight(&self) -> f64 {
        self.block_bytes as f64 * 8.0 / self.block_weights as f64
    }

    /// True for F32, F16 and BF16: one weight a block, nothing to search.
    pub fn is_float(&self) -> bool {
        self.block_weights == 1
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.ggml_type == other.ggml_type
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

mod affine;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod bf16;
mod codec;
mod f16;
mod f32;
mod grids;
mod iq1_m;
mod iq1_s;
mod iq2_s;
mod iq2_xs;
mod iq2_xxs;
mod iq3_s;
mod iq3_xxs;
mod iq4_nl;
mod iq4_xs;
mod k_scales;
mod lanes;
mod lattice;
mod layout;
mod levels;
mod mxfp4;
mod nvfp4;
mod parts;
mod q1_0;
mod q2_0;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod scaled;
mod search;
mod ternary;
mod tq1_0;
mod tq2_0;
mod weight;

pub use bf16::BF16;
pub use f16::F16;
pub use f32::F32;
pub use iq1_m::IQ1_M;
pub use iq1_s::IQ1_S;
pub use iq2_s::IQ2_S;
pub use iq2_xs::IQ2_XS;
pub use iq2_xxs::IQ2_XXS;
pub use iq3_s::IQ3_S;
pub use iq3_xxs::IQ3_XXS;
pub use iq4_nl::IQ4_NL;
pub use iq4_xs::IQ4_XS;
pub use layout::{Layout, MOST_IN_HALF};
pub use mxfp4::MXFP4;
pub use nvfp4::NVFP4;
pub use parts::{Apart, MOST_SUBS, MOST_WEIGHTS, PARTS, Parts};
pub use q1_0::Q1_0;
pub use q2_0::Q2_0;
pub use q2_k::Q2_K;
pub use q3_k::Q3_K;
pub use q4_0::Q4_0;
pub use q4_1::Q4_1;
pub use q4_k::Q4_K;
pub use q5_0::Q5_0;
pub use q5_1::Q5_1;
pub use q5_k::Q5_K;
pub use q6_k::Q6_K;
pub use q8_0::Q8_0;
pub use search::{Effort, Search};
pub use tq1_0::TQ1_0;
pub use tq2_0::TQ2_0;
pub use weight::Importance;

/// Every format Tuck reads and writes, largest first.
pub static FORMATS: &[FormatRef] = &[
    &F32, &F16, &BF16, &Q8_0, &Q6_K, &Q5_K, &Q5_1, &Q5_0, &Q4_K, &Q4_1, &Q4_0, &IQ4_NL, &NVFP4, &IQ4_XS, &MXFP4, &Q3_K,
    &IQ3_S, &IQ3_XXS, &Q2_K, &IQ2_S, &IQ2_XS, &Q2_0, &TQ2_0, &IQ2_XXS, &IQ1_M, &TQ1_0, &IQ1_S, &Q1_0,
];

/// Formats whose kernels need a table of their grid.
static LATTICES: &[(FormatRef, &LazyLock<lattice::Lattice>)] = &[
    (&IQ1_M, &iq1_m::LATTICE),
    (&IQ1_S, &iq1_s::LATTICE),
    (&IQ2_S, &iq2_s::LATTICE),
    (&IQ2_XS, &iq2_xs::LATTICE),
    (&IQ2_XXS, &iq2_xxs::LATTICE),
    (&IQ3_S, &iq3_s::LATTICE),
    (&IQ3_XXS, &iq3_xxs::LATTICE),
];

/// The words that the kernels of a format read beside the blocks, if it has a grid.
pub fn table(format: FormatRef) -> Option<Vec<u32>> {
    LATTICES.iter().find(|(of, _)| *of == format).map(|(_, lattice)| lattice.table())
}

/// The format called `name`, in any case.
pub fn format_from_name(name: &str) -> Option<FormatRef> {
    FORMATS.iter().copied().find(|f| f.name.eq_ignore_ascii_case(name))
}

/// The format with this ggml type id.
pub fn format_from_ggml_type(id: u32) -> Option<FormatRef> {
    FORMATS.iter().copied().find(|f| f.ggml_type == id)
}
