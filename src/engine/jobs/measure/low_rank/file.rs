//! An adapter as the file that it becomes, and as what it adds to matrices.

use crate::arch::{Source, Tensor};
use crate::engine::jobs::measure::weights::{Addition, Additions};
use crate::engine::worker::Stop;
use crate::lowrank::Factors;
use crate::model::Model;
use crate::quant::{FormatRef, Search};
use crate::recipe::{Plan, Ranks, Recipe, Spread, factor_format};
use std::sync::Arc;

/// What llama.cpp divides by a matrix's rank to have the factor of its product. B makes good for the rank.
const ALPHA: f32 = 1.0;

/// An adapter.
pub(super) struct Adapter {
    /// What is packed.
    pub(super) model: Arc<Model>,
    /// The file's length.
    pub(super) bytes: u64,
    pub(super) additions: Arc<Additions>,
}

/// Bytes of a file before its tensors are listed.
pub(super) fn header_bytes(model: &Model) -> u64 {
    model.error_adapter(Vec::new(), ALPHA).header_len
}

impl Adapter {
    /// The factors of every matrix up to the rank it got.
    pub(super) fn new(
        model: &Model,
        Ranks { spectra, format, .. }: &Ranks,
        factors: &[Vec<Factors>],
        spread: &Spread,
    ) -> Result<Self, Stop> {
        let (mut tensors, mut additions) = (Vec::new(), Additions::new());
        for ((spectrum, factors), rank) in spectra.iter().zip(factors).zip(&spread.ranks).filter(|(_, rank)| **rank > 0)
        {
            let scale = ALPHA / *rank as f32;
            let a: Vec<f32> = factors.iter().flat_map(|factors| factors.first(*rank)).copied().collect();
            let b: Vec<f32> = factors.iter().flat_map(|factors| factors.second(*rank, 1.0 / scale)).collect();
            let (columns, rows, rank) = (spectrum.shape[0], spectrum.shape[1], *rank as u64);
            let mut rounded =
                [(".lora_a", [columns, rank], a), (".lora_b", [rank, rows], b)].map(|(ending, sizes, numbers)| {
                    let format = factor_format(format, sizes[0]);
                    let rounded = round(&numbers, format);
                    tensors.push(Tensor {
                        name: format!("{}{ending}", spectrum.name),
                        stored_name: format!("{ending} of {}", spectrum.name).trim_start_matches('.').to_owned(),
                        shape: [&sizes, &spectrum.shape[2..]].concat(),
                        format,
                        source: Source::Computed(numbers),
                    });
                    rounded
                });
            let [a, b] = &mut rounded;
            let addition =
                Addition { rank: rank as usize, a: std::mem::take(a), b: std::mem::take(b), scale, is_all: false };
            additions.insert(spectrum.name.clone(), addition);
        }
        let model = Arc::new(model.error_adapter(tensors, ALPHA));
        let bytes = Plan::new(&model, &Recipe::parse("COPY", &[])?)?.file_bytes;
        Ok(Self { model, bytes, additions: Arc::new(additions) })
    }
}

/// What is read back of numbers in a format.
fn round(numbers: &[f32], format: FormatRef) -> Vec<f32> {
    let mut stored = vec![0; format.bytes(numbers.len() as u64) as usize];
    (format.quantize)(numbers, Search::default(), &mut stored);
    let mut rounded = vec![0.0; numbers.len()];
    (format.dequantize)(&stored, &mut rounded);
    rounded
}
