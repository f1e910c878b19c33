//! Gathering an importance matrix: the squares of what goes into each matrix while a text runs through the model.

use super::text::{BuiltIn, Text};
use super::walk::Walk;
use super::weights::Weights;
use crate::engine::command::CalibrateRequest;
use crate::engine::event::{CalibrateReport, Stage};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::Activations;
use crate::imatrix::Imatrix;
use crate::model::Model;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// An expert that saw fewer tokens than this is named.
const FEW: u64 = 32;
/// Tokens that go through the output matrix at a time.
const BATCH: usize = 512;

/// Gathers what a request names, and writes it.
pub(in crate::engine) fn calibrate(request: &CalibrateRequest, context: &Context<'_>) -> Result<CalibrateReport, Stop> {
    let started = Instant::now();
    let (model, path) = (&*request.model, &*request.path);
    if path.exists() && !request.overwrite {
        return Err(Stop::Failed(format!(
            "{} exists; remove it, or allow it to be replaced (--force)",
            path.display()
        )));
    }
    let text = Text::read(request.text.as_deref(), BuiltIn::Calibration, model, request.context, request.chunks)?;
    let mut walk = Walk::new(Weights::new(model, None), &text, None)?;
    let meter = Meter::new(context, Stage::Calibrating, walk.bytes());
    let gathered = gather(&mut walk, model, &text, request.output_matrix, &meter)?;
    let starved =
        gathered.matrices.iter().filter(|(_, squares)| squares.counts.len() > 1).filter_map(|(name, squares)| {
            let few = squares.counts.iter().copied().enumerate().filter(|(_, count)| *count < FEW);
            let few: Vec<(usize, u64)> = few.collect();
            (!few.is_empty()).then(|| (name.clone(), few))
        });
    let imatrix = Imatrix {
        path: path.to_owned(),
        datasets: vec![text.name.display().to_string()],
        chunks: text.chunks() as u32,
        chunk_tokens: text.chunk as u32,
        columns: gathered.matrices.iter().map(|(name, squares)| (name.clone(), squares.means())).collect(),
        counts: gathered.matrices.iter().map(|(name, squares)| (name.clone(), squares.counts.clone())).collect(),
        ..Imatrix::default()
    };
    write(path, &imatrix.encode()?, request.overwrite)?;
    Ok(CalibrateReport { imatrix: Arc::new(imatrix), starved: starved.collect(), elapsed: started.elapsed() })
}

fn gather(
    walk: &mut Walk<'_>,
    model: &Model,
    text: &Text,
    output_matrix: bool,
    meter: &Meter<'_, '_>,
) -> Result<Activations, Stop> {
    let sizes: HashMap<&str, (usize, usize)> = model
        .tensors
        .iter()
        .map(|tensor| {
            let experts = tensor.shape.iter().skip(2).product::<u64>();
            (tensor.name.as_str(), (tensor.columns() as usize, experts as usize))
        })
        .collect();
    let mut activations = Activations::default();
    let mut observe = |name: &str, expert: usize, rows: &[f32]| {
        let (columns, experts) = sizes[name];
        activations.add(name, expert, experts, columns, rows);
    };
    for layer in 0..walk.layers() {
        walk.layer(layer, meter, &mut observe)?;
    }
    if output_matrix {
        let output = walk.output(meter)?;
        let tokens: Vec<usize> = (0..text.tokens.len()).collect();
        for tokens in tokens.chunks(BATCH) {
            walk.logits(&output, tokens, &mut observe)?;
            meter.advance(0, "")?;
        }
    }
    Ok(activations)
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), Stop> {
    let failed = |error: std::io::Error| Stop::Failed(format!("{} could not be written: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    let named = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    named.map(drop).map_err(|error| failed(error.error))
}
