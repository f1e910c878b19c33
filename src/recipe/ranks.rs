//! How many ranks each matrix gets of an adapter, or of what takes its place, by what a byte gains.

use super::budget::{Choice, Curve};
use super::rules::quantizable;
use crate::arch::Tensor;
use crate::gguf::{self, DEFAULT_ALIGNMENT};
use crate::quant::{F16, FormatRef};

/// Matrices that llama.cpp multiplies with in other ways, in which no adapter has a part: rows of the token embedding are looked
/// up, and where it makes logits too its factors would have to be exchanged there.
const NEVER: &[&str] = &["token_embd.weight", "per_layer_token_embd.weight", "attn_k_b.weight", "attn_v_b.weight"];

/// Whether llama.cpp can apply an adapter to a tensor.
pub fn adaptable(tensor: &Tensor) -> bool {
    quantizable(tensor) && tensor.shape.len() >= 2 && !NEVER.iter().any(|name| tensor.name.ends_with(name))
}

/// How large an adapter is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterSize {
    /// As many bytes as this rank takes for every matrix. Single matrices get more or less, by what it gains there.
    Rank(usize),
    /// Bytes of its file, at most.
    Bytes(u64),
}

/// What each rank of a product of two factors gains of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// The GGUF name of the tensor.
    pub name: String,
    /// Its columns, rows and, if it has any, experts.
    pub shape: Vec<u64>,
    /// What it loses without, in nats of KL divergence.
    pub loss: f64,
    /// What it loses less with one rank more, from the first on; never more than the one before.
    pub gains: Vec<f64>,
}

/// The ranks of every matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// In the order of the spectra; 0 where a matrix gets nothing.
    pub ranks: Vec<usize>,
    /// What the factors take in a file, with what its header says of them.
    pub bytes: u64,
    /// What all matrices lose with them.
    pub loss: f64,
}

/// Spectra, and what becomes of them in any number of bytes.
#[derive(Clone, Debug)]
pub struct Ranks {
    /// Of the matrices that may get ranks.
    pub spectra: Vec<Spectrum>,
    /// What factors become.
    pub format: FormatRef,
    curve: Curve,
}

/// The format of a factor: F16, where rows are no whole number of blocks.
pub fn factor_format(format: FormatRef, columns: u64) -> FormatRef {
    if format.divides(columns) { format } else { &F16 }
}

impl Spectrum {
    /// Of a tensor.
    pub fn new(tensor: &Tensor, loss: f64, gains: Vec<f64>) -> Self {
        Self { name: tensor.name.clone(), shape: tensor.shape.clone(), loss, gains }
    }

    /// What two factors of some rank take in a file, as F32, F16 or what else is asked for.
    pub fn bytes(&self, rank: usize, format: FormatRef) -> u64 {
        let (rank, experts) = (rank as u64, self.shape.iter().skip(2).product::<u64>());
        if rank == 0 {
            return 0;
        }
        let factor = |ending: &str, [columns, rows]: [u64; 2]| {
            let own = factor_format(format, columns).bytes(columns * rows * experts);
            own.next_multiple_of(DEFAULT_ALIGNMENT) + gguf::tensor_len(self.name.len() + ending.len(), self.shape.len())
        };
        factor(".lora_a", [self.shape[0], rank]) + factor(".lora_b", [rank, self.shape[1]])
    }
}

impl Ranks {
    /// Of these.
    pub fn new(spectra: Vec<Spectrum>, format: FormatRef) -> Self {
        let items = spectra.iter().map(|spectrum| {
            let left = spectrum.gains.iter().scan(spectrum.loss, |loss, gain| {
                *loss = (*loss - gain).max(0.0);
                Some(*loss)
            });
            let losses = std::iter::once(spectrum.loss).chain(left).enumerate();
            losses.map(|(rank, loss)| Choice { bytes: spectrum.bytes(rank, format), loss }).collect()
        });
        let curve = Curve::new(items.collect());
        Self { spectra, format, curve }
    }

    /// What factors of the same rank take of all matrices, or of the most that is known of one.
    pub fn uniform_bytes(&self, rank: usize) -> u64 {
        self.spectra.iter().map(|spectrum| spectrum.bytes(rank.min(spectrum.gains.len()), self.format)).sum()
    }

    /// The ranks that gain most in at most so many bytes.
    pub fn spread(&self, budget: u64) -> Spread {
        // Rank 0 takes nothing, so that there is always a solution.
        let solution = self.curve.solve(budget);
        solution.map_or_else(Spread::default, |found| Spread {
            ranks: found.choices,
            bytes: found.total.bytes,
            loss: found.total.loss,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::HeaderTensor;
    use crate::quant::Q8_0;

    fn spectrum(name: &str, gains: &[f64]) -> Spectrum {
        Spectrum { name: name.to_owned(), shape: vec![64, 32], loss: 10.0, gains: gains.to_vec() }
    }

    #[test]
    fn ranks_go_where_a_byte_gains_most_and_never_beyond_the_budget() {
        let spectra = vec![spectrum("a", &[4.0, 3.0, 0.5]), spectrum("b", &[1.0, 0.25, 0.125])];
        let one = spectra[0].bytes(1, &F16);
        let listed = HeaderTensor { name: "a.lora_a", shape: &[64, 1], format: &F16 };
        let header =
            |tensors: &[HeaderTensor<'_>]| gguf::encode_header(&Vec::new(), tensors, &vec![0; tensors.len()]).len();
        assert_eq!(one, 2 * (header(&[listed]) - header(&[])) as u64 + 2 * (64 + 32));
        assert!(spectra[0].bytes(2, &Q8_0) < spectra[0].bytes(2, &F16));
        let ranks = Ranks::new(spectra, &F16);
        let none = ranks.spread(one - 1);
        assert_eq!((&none.ranks[..], none.bytes, none.loss), (&[0, 0][..], 0, 20.0));
        assert_eq!(ranks.spread(one).ranks, [1, 0]);
        let two = ranks.spread(2 * one);
        assert_eq!((&two.ranks[..], two.loss), (&[2, 0][..], 13.0));
        let all = ranks.spread(u64::MAX);
        assert_eq!((&all.ranks[..], all.bytes), (&[3, 3][..], ranks.uniform_bytes(3)));
        assert!(Ranks::new(Vec::new(), &F16).spread(100).ranks.is_empty());
    }
}
