//! Matrices as products of two factors, in a folder of safetensors: what fits a number of bytes, by what each rank gains.

use super::fit::{Fitted, Fitting};
use super::mix;
use super::write::{Entry, Writer};
use crate::arch::{Coding, Part, Tensor, View};
use crate::checkpoint::{Checkpoint, Contents, StoredTensor};
use crate::engine::device::Devices;
use crate::engine::jobs::measure::text::{BuiltIn, Text};
use crate::engine::jobs::measure::walk::Walk;
use crate::engine::jobs::measure::weights::{Addition, Additions, Weights};
use crate::engine::jobs::measure::{gpu, side_by_side};
use crate::engine::low_rank::{PairsReport, PairsRequest, Standing};
use crate::engine::worker::{Context, Stop};
use crate::lowrank::Factors;
use crate::quant::{F16, F32, Search};
use crate::recipe::budget::{Choice, Curve};
use crate::recipe::{PRESETS, Plan, Prediction, Recipe, Spectrum};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// What the folder says of itself; what stands in braces is filled in.
const README: &str = include_str!("../../../../../assets/lowrank/README.md");
/// What other programs know the weights by.
const WEIGHTS: &str = "model.safetensors";

/// A matrix that may become a product: its place among the spectra, its name in the checkpoint, and the rows there of its rows.
struct Pair<'a> {
    place: usize,
    stored: &'a StoredTensor,
    rows: Vec<u64>,
}

/// Makes and measures what a request names.
pub(in crate::engine) fn low_rank_pairs(
    devices: &mut Devices,
    request: &PairsRequest,
    context: &Context<'_>,
) -> Result<PairsReport, Stop> {
    let started = Instant::now();
    let (model, statistics) = (&request.model, &request.statistics);
    let refuse = |problem: &str| Stop::Failed(format!("{}: {problem}", model.path.display()));
    let checkpoint = Checkpoint::open(&model.path)?;
    if !matches!(checkpoint.contents, Contents::HuggingFace(_)) {
        return Err(refuse("factors are written beside what a Hugging Face folder holds, and this is none"));
    }
    if request.path.join(WEIGHTS).exists() && !request.overwrite {
        let problem = "holds a model already; name another folder, or allow it to be replaced (--force)";
        return Err(Stop::Failed(format!("{} {problem}", request.path.display())));
    }
    let chunk = model.hparams.context.min(request.context as u64) as usize;
    let text = Text::read(request.text.as_deref(), BuiltIn::Evaluation, model, chunk, None)?;
    let prediction = Prediction::new(statistics, request.level.is_measured(), false);
    let finder = devices.low_rank(&request.computing)?;
    let plain = request.is_plain;
    let fitting =
        Fitting { model, dense: model, base: None, statistics, prediction: &prediction, is_plain: plain, context };
    let Fitted { ranks, factors, .. } = fitting.fit(finder, &F16, |_| super::HIGHEST)?;
    let by_place: HashMap<(usize, u64), &StoredTensor> =
        checkpoint.tensors.iter().map(|stored| ((stored.file, stored.offset), stored)).collect();
    let named: HashMap<&str, &Tensor> = model.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let pair = |(place, spectrum): (usize, &Spectrum)| {
        let tensor = named.get(spectrum.name.as_str())?;
        let [part] = tensor.parts() else { return None };
        let stored = *by_place.get(&(part.at.file, part.at.offset))?;
        let rows = stored_rows(tensor, part).filter(|_| stored.name.ends_with(".weight"))?;
        Some(Pair { place, stored, rows })
    };
    let pairs: Vec<Pair<'_>> = ranks.spectra.iter().enumerate().filter_map(pair).collect();
    let chosen = choose(request, &checkpoint.tensors, &ranks.spectra, &pairs)?;
    let mut additions = Additions::new();
    let mut writer = Writer::default();
    for (pair, rank) in pairs.iter().zip(&chosen).filter(|(_, rank)| **rank > 0) {
        let (factors, spectrum) = (&factors[pair.place][0], &ranks.spectra[pair.place]);
        let [a, b] = rounded(factors, *rank);
        let name = pair.stored.name.trim_end_matches(".weight");
        let (columns, rows) = (spectrum.shape[0], spectrum.shape[1]);
        let mut ordered = vec![0.0; b.len()];
        for (row, b) in pair.rows.iter().zip(b.chunks_exact(*rank)) {
            ordered[*row as usize * rank..][..*rank].copy_from_slice(b);
        }
        writer.add(format!("{name}.lowrank_a"), [*rank as u64, columns], Entry::half(&a));
        writer.add(format!("{name}.lowrank_b"), [rows, *rank as u64], Entry::half(&ordered));
        additions.insert(spectrum.name.clone(), Addition { rank: *rank, a, b, scale: 1.0, is_all: true });
    }
    let is_pair = |stored: &StoredTensor| {
        pairs.iter().zip(&chosen).any(|(pair, rank)| *rank > 0 && pair.stored.name == stored.name)
    };
    for stored in checkpoint.tensors.iter().filter(|stored| !is_pair(stored)) {
        writer.copy(&checkpoint, stored)?;
    }
    let bytes = writer.write(&request.path, WEIGHTS)?;
    let how = if plain { "of its own" } else { "of what it does to its inputs on a text" };
    writer.beside(&model.path, &request.path, &README.replace("{how}", how))?;
    let base = Recipe::new(&PRESETS[0]);
    let mix = mix(model, &prediction, base, (request.level, statistics.identity.clone()), bytes)?;
    let gpu = gpu::open(devices, &request.computing)?;
    let original = || Weights::new(model, None, context);
    let walk = |weights| Walk::new(weights, &text, gpu.clone());
    let mut walks = vec![walk(original())?, walk(original().adding(Arc::new(additions)))?];
    if let Some(plan) = &mix {
        walks.push(walk(Weights::new(model, Some(plan.clone()), context))?);
    }
    let found = side_by_side(&mut walks, &text, context)?;
    let standing = |bytes: u64, place: usize| Standing { bytes, divergence: found[place].mean() };
    let named = pairs.iter().zip(&chosen).map(|(pair, rank)| (pair.stored.name.clone(), *rank));
    Ok(PairsReport {
        path: request.path.clone(),
        with: standing(bytes, 0),
        instead: mix.map(|plan: Plan| standing(plan.file_bytes, 1)),
        ranks: named.collect(),
        text: text.name,
        elapsed: started.elapsed(),
    })
}

/// The rows of the stored matrix that the tensor's rows are; none where they are no rows of it, or others are beside them.
fn stored_rows(tensor: &Tensor, part: &Part) -> Option<Vec<u64>> {
    let is_plain =
        part.coding == Coding::Plain && part.plus == 0.0 && part.format.is_float() && tensor.shape.len() == 2;
    if !is_plain || !tensor.addends().is_empty() || part.weights() != tensor.weights() {
        return None;
    }
    let columns = tensor.columns();
    let View { start, mut axes } = part.view.clone().merged();
    let inner = axes.pop()?;
    if inner.stride != 1 || !inner.count.is_multiple_of(columns) {
        return None;
    }
    let starts = View { start, axes };
    let rows = starts.offsets().flat_map(|at| (0..inner.count / columns).map(move |row| at + row * columns));
    let rows: Option<Vec<u64>> = rows.map(|at| at.is_multiple_of(columns).then_some(at / columns)).collect();
    rows.filter(|rows| rows.iter().all(|row| *row < tensor.shape[1]))
}

/// The rank of each matrix, 0 where it stays whole.
fn choose(
    request: &PairsRequest,
    all: &[StoredTensor],
    spectra: &[Spectrum],
    pairs: &[Pair<'_>],
) -> Result<Vec<usize>, Stop> {
    let whole: u64 = all.iter().map(|stored| stored.bytes).sum();
    let own: u64 = pairs.iter().map(|pair| pair.stored.bytes).sum();
    let fixed = whole - own + Writer::header_bytes(all.len() + pairs.len());
    let item = |pair: &Pair<'_>| {
        let Spectrum { shape, loss, gains, .. } = &spectra[pair.place];
        let left = gains.iter().scan(*loss, |left, gain| {
            *left = (*left - gain).max(0.0);
            Some(*left)
        });
        let ranks = left.zip(1u64..).map(|(loss, rank)| Choice { bytes: 2 * rank * (shape[0] + shape[1]), loss });
        ranks.chain([Choice { bytes: pair.stored.bytes, loss: 0.0 }]).collect::<Vec<_>>()
    };
    let curve = Curve::new(pairs.iter().map(item).collect());
    let solution = request.bytes.checked_sub(fixed).and_then(|budget| curve.solve(budget));
    let solution = solution.ok_or_else(|| {
        Stop::Failed(format!(
            "{} bytes are too few: what stays whole, and rank 1 for all else, take {} (--size)",
            request.bytes,
            fixed + curve.smallest()
        ))
    })?;
    let rank = |(pair, choice): (&Pair<'_>, &usize)| {
        if *choice == spectra[pair.place].gains.len() { 0 } else { choice + 1 }
    };
    Ok(pairs.iter().zip(&solution.choices).map(rank).collect())
}

/// Factors of a rank as they are read back from F16.
fn rounded(factors: &Factors, rank: usize) -> [Vec<f32>; 2] {
    [factors.first(rank).to_vec(), factors.second(rank, 1.0)].map(|numbers| {
        let mut stored = vec![0; F16.bytes(numbers.len() as u64) as usize];
        (F16.quantize)(&numbers, Search::default(), &mut stored);
        let mut rounded = vec![0.0; stored.len() / F16.block_bytes];
        (F16.dequantize)(&stored, &mut rounded);
        debug_assert_eq!(rounded.len() * F32.block_bytes, numbers.len() * 4);
        rounded
    })
}
