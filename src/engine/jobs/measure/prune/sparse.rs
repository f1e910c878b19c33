//! Leaving out single weights, layer by layer: each layer is pruned for what comes out of the pruned layers before it. Where the
//! rest is to be quantized, that is done in the same pass: each matrix is both, and makes good what both lose together, before
//! the next is looked at.

use super::passage::Passage;
use super::{Setting, changes, refuse, unwritten};
use crate::cpu::forward::Matrix;
use crate::engine::event::Stage;
use crate::engine::meter::Meter;
use crate::engine::prune::{PruneReport, SparseReport};
use crate::engine::worker::Stop;
use crate::feedback::{self, Hessian};
use crate::forward::{self, Op, Program};
use crate::gpu::forward::Summed;
use crate::model::{Model, Reshape};
use crate::prune::sparsify as sparsify_rows;
use crate::prune::{Method, Pattern, Scope, Sparsity, entropy_coded, scores, sparsegpt};
use crate::quant::{FormatRef, Search};
use crate::recipe::{Plan, Recipe};
use crate::units;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What is added to the diagonal of a Gram matrix, in units of its mean: the first with which it is positive definite.
const DAMPINGS: [f64; 3] = [0.01, 0.1, 1.0];
/// Scores that differ only in what is below this are one in a histogram.
const DROPPED_BITS: u32 = 12;

/// The matrices of a layer whose weights go: what rows are multiplied with, but for routers.
fn prunable(program: &Program) -> Vec<String> {
    let names = program.steps.iter().flat_map(|step| match &step.op {
        Op::Linear { weight, .. } if !weight.contains("ffn_gate_inp") => vec![weight.clone()],
        Op::Experts(experts) => experts.matrices.to_vec(),
        _ => Vec::new(),
    });
    names.collect()
}

/// Prunes all layers. What SparseGPT prunes becomes what a recipe says, if there is one.
pub(super) fn sparsify(
    setting: &Setting<'_, '_>,
    model: &Model,
    sparsity: Sparsity,
    quantizing: Option<&Recipe>,
    report: &mut PruneReport,
) -> Result<Model, Stop> {
    let passage = Passage::new(setting, model)?;
    let plan = quantizing.map(|recipe| Plan::new(model, recipe)).transpose()?;
    let plan = plan.filter(|_| sparsity.method == Method::SparseGpt);
    let shares = match sparsity {
        Sparsity { scope: Scope::Model, pattern: Pattern::Share(share), .. } => {
            Some(shares(setting, &passage, sparsity.method, share)?)
        }
        _ => None,
    };
    let meter = Meter::new(setting.context, Stage::Pruning, passage.weights.bytes());
    let mut weights = changes()?;
    let mut rows = passage.begin(&setting.text.tokens)?;
    let mut sums = SparseReport { entropy_coded: plan.is_none().then_some(0), ..SparseReport::default() };
    for number in 0..forward::layers(model) {
        let (program, mut matrices) = passage.read(number, &meter)?;
        let names = prunable(&program);
        let owners: HashMap<String, String> = program.shared_inputs().into_iter().collect();
        let layer = passage.load(program.clone(), matrices.clone())?;
        let with_grams =
            |name: &str| sparsity.method == Method::SparseGpt && names.iter().any(|other| owners[other] == name);
        let observed = match sparsity.method {
            Method::Magnitude => BTreeMap::new(),
            _ => passage.observe(&layer, &rows, &with_grams, &meter)?,
        };
        drop(layer);
        for name in &names {
            let place = passage.weights.find(name)?;
            let tensor = &model.tensors[place];
            let planned = plan.as_ref().map(|plan| plan.tensors[place].format);
            let planned = planned.filter(|format| feedback::supports(format));
            let own = match shares.as_ref().and_then(|shares| shares.get(name)) {
                Some(share) => Sparsity { pattern: Pattern::Share(*share), scope: Scope::Layer, ..sparsity },
                None => sparsity,
            };
            let mut floats = matrices[name].floats();
            let inputs = observed.get(&owners[name]);
            let blocks = prune(setting, &mut floats, tensor.columns() as usize, (inputs, planned), own, name)?;
            let zeros = |floats: &[f32]| floats.par_iter().filter(|weight| **weight == 0.0).count() as u64;
            sums.weights += floats.len() as u64;
            sums.gone += zeros(&floats);
            let (format, bytes) = match blocks {
                None => weights.put(tensor, &tensor.shape, &floats).map_err(|error| unwritten(&error))?,
                Some((format, blocks)) => {
                    weights.put_blocks(tensor, format, &blocks).map_err(|error| unwritten(&error))?;
                    (format.dequantize)(&blocks, &mut floats);
                    (format, blocks)
                }
            };
            sums.zeros += zeros(&floats);
            sums.dense += bytes.len() as u64;
            if let Some(coded) = &mut sums.entropy_coded {
                *coded += entropy_coded(&floats, format);
            }
            matrices.insert(name.clone(), Matrix { format, shape: tensor.shape.clone(), bytes });
            meter.advance(0, name)?;
        }
        passage.advance(&passage.load(program, matrices)?, &mut rows, &meter)?;
    }
    if sums.weights == 0 {
        return Err(refuse(model, "it has no matrices whose weights could be left out"));
    }
    if plan.is_some() && sums.zeros < sums.gone {
        report.notes.push(format!(
            "{} weights that went are stored as the level next to 0, for blocks with a minimum have no 0",
            units::grouped(sums.gone - sums.zeros)
        ));
    }
    report.sparse = Some(sums);
    Ok(model.with_weights(weights, &Reshape::default())?)
}

/// Prunes a matrix, or each of its experts' by what that expert saw. Returns its blocks where it is to have a format that is chosen
/// in the same pass.
fn prune(
    setting: &Setting<'_, '_>,
    floats: &mut [f32],
    columns: usize,
    (observed, planned): (Option<&Summed>, Option<FormatRef>),
    sparsity: Sparsity,
    name: &str,
) -> Result<Option<(FormatRef, Vec<u8>)>, Stop> {
    let Some(observed) = observed else {
        choose(setting, floats, columns, None, sparsity)?;
        return Ok(None);
    };
    let mut blocks = planned.map(|format| (format, vec![0; format.bytes(floats.len() as u64) as usize]));
    let experts = observed.counts.len();
    let each = floats.len() / experts;
    let stop = || setting.context.is_cancelled();
    for (expert, floats) in floats.chunks_exact_mut(each).enumerate() {
        let norms = norms(&observed.squares[expert * columns..][..columns]);
        // An expert that saw nothing has nothing to go by but its weights.
        let Some(gram) = observed.gram.as_ref().filter(|_| observed.counts[expert] > 0) else {
            let norms = Some(norms.as_slice()).filter(|_| observed.counts[expert] > 0);
            choose(setting, floats, columns, norms, sparsity)?;
            if let Some((format, blocks)) = &mut blocks {
                let bytes = format.bytes(each as u64) as usize;
                (format.quantize)(floats, Search::default(), &mut blocks[expert * bytes..][..bytes]);
            }
            continue;
        };
        let gram = &gram[expert * columns * columns..][..columns * columns];
        let mut found = None;
        for damping in DAMPINGS {
            match Hessian::new(gram, columns, damping, &stop).ok_or(Stop::Cancelled)? {
                Ok(hessian) => {
                    found = Some(hessian);
                    break;
                }
                Err(error) if damping == DAMPINGS[DAMPINGS.len() - 1] => {
                    return Err(Stop::Failed(format!("the Gram matrix of the inputs of {name} {error}")));
                }
                Err(_) => {}
            }
        }
        let Some(hessian) = found.map(Arc::new) else { continue };
        let dense = blocks.as_ref().map(|_| floats.to_vec());
        let Sparsity { pattern, scope, .. } = sparsity;
        // There, groups do not reach from one block of columns into the next.
        let is_even = !matches!(pattern, Pattern::Groups { of, .. } if 256 % of != 0);
        match setting.chooser.as_ref().filter(|_| is_even) {
            Some(chooser) => chooser.borrow_mut().sparsegpt(floats, &hessian, pattern, scope, &stop)?,
            None => sparsegpt(floats, &hessian, pattern, scope, &stop),
        }
        .ok_or(Stop::Cancelled)?;
        if let (Some((format, blocks)), Some(dense)) = (&mut blocks, dense) {
            let bytes = format.bytes(each as u64) as usize;
            let out = &mut blocks[expert * bytes..][..bytes];
            feedback::quantize_sparse(&dense, floats, &hessian, format, &stop, out).ok_or(Stop::Cancelled)?;
        }
    }
    Ok(blocks)
}

/// The root of the sum of squares by column.
fn norms(squares: &[f32]) -> Vec<f32> {
    squares.iter().map(|square| square.sqrt()).collect()
}

/// Sets to 0 what goes by its score.
fn choose(
    setting: &Setting<'_, '_>,
    floats: &mut [f32],
    columns: usize,
    norms: Option<&[f32]>,
    Sparsity { pattern, scope, .. }: Sparsity,
) -> Result<(), Stop> {
    if let Some(chooser) = &setting.chooser {
        return Ok(chooser.borrow_mut().sparsify(floats, columns, norms, pattern, scope)?);
    }
    sparsify_rows(floats, columns, norms, pattern, scope);
    Ok(())
}

/// The share that goes of each matrix so that a share of all goes, by scores of the model as it is. They are only counted, in
/// fine classes: so many as there are weights would take as much memory as the model.
fn shares(
    setting: &Setting<'_, '_>,
    passage: &Passage<'_, '_>,
    method: Method,
    share: f64,
) -> Result<HashMap<String, f64>, Stop> {
    let meter = Meter::new(setting.context, Stage::Calibrating, passage.weights.bytes());
    let mut rows = passage.begin(&setting.text.tokens)?;
    let mut counts: Vec<(String, Vec<u32>)> = Vec::new();
    for number in 0..forward::layers(passage.model()) {
        let (program, matrices) = passage.read(number, &meter)?;
        let owners: HashMap<String, String> = program.shared_inputs().into_iter().collect();
        let layer = passage.load(program.clone(), matrices.clone())?;
        let observed = passage.observe(&layer, &rows, &|_| false, &meter)?;
        for name in prunable(&program) {
            let (floats, columns) = (matrices[&name].floats(), matrices[&name].shape[0] as usize);
            let Summed { squares, counts: seen, .. } = &observed[&owners[&name]];
            let mut own = vec![0u32; 1 << (31 - DROPPED_BITS)];
            for (expert, floats) in floats.chunks_exact(floats.len() / seen.len()).enumerate() {
                let norms = norms(&squares[expert * columns..][..columns]);
                let norms = Some(norms.as_slice()).filter(|_| method != Method::Magnitude && seen[expert] > 0);
                for score in scores(floats, columns, norms) {
                    own[(score.to_bits() >> DROPPED_BITS) as usize] += 1;
                }
            }
            counts.push((name, own));
        }
        drop(matrices);
        passage.advance(&layer, &mut rows, &meter)?;
    }
    let all: u64 = counts.iter().flat_map(|(_, own)| own).map(|count| u64::from(*count)).sum();
    let wanted = (share * all as f64).round();
    let (mut below, mut bound, mut inside) = (0.0, 0, 1.0);
    for class in 0..1 << (31 - DROPPED_BITS) {
        let here = counts.iter().map(|(_, own)| f64::from(own[class])).sum::<f64>();
        if below + here >= wanted {
            (bound, inside) = (class, if here > 0.0 { (wanted - below) / here } else { 0.0 });
            break;
        }
        below += here;
    }
    let share = |(name, own): (String, Vec<u32>)| {
        let below: u64 = own[..bound].iter().map(|count| u64::from(*count)).sum();
        let all: u64 = own.iter().map(|count| u64::from(*count)).sum();
        (name, (below as f64 + inside * f64::from(own[bound])) / all.max(1) as f64)
    };
    Ok(counts.into_iter().map(share).collect())
}
