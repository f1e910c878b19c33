//! Gathering an importance matrix: the squares of what goes into each matrix while a text runs through the model.

use super::gather::{Beside, Gathered, Grams, gather};
use super::gpu;
use super::state;
use super::text::{BuiltIn, Text};
use super::walk::Walk;
use super::weights::Weights;
use crate::engine::command::CalibrateRequest;
use crate::engine::device::Devices;
use crate::engine::event::{CalibrateReport, Stage};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::imatrix::Imatrix;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// An expert that saw fewer tokens than this is named.
const FEW: u64 = 32;

/// Gathers what a request names, and writes it.
pub(in crate::engine) fn calibrate(
    devices: &mut Devices,
    request: &CalibrateRequest,
    context: &Context<'_>,
) -> Result<CalibrateReport, Stop> {
    let started = Instant::now();
    let (model, path) = (&*request.model, &*request.path);
    for path in request.gram.iter().map(|path| &**path).chain([path]) {
        if path.exists() && !request.overwrite {
            return Err(Stop::Failed(format!(
                "{} exists; remove it, or allow it to be replaced (--force)",
                path.display()
            )));
        }
    }
    let text = Text::read(request.text.as_deref(), BuiltIn::Calibration, model, request.context, request.chunks)?;
    let gpu = gpu::open(devices, &request.computing)?;
    let mut walk = Walk::new(Weights::new(model, None, context), &text, gpu.clone())?;
    let meter = Meter::new(context, Stage::Calibrating, walk.bytes());
    let Gathered { activations: gathered, grams, resumed } =
        gather(request, &Beside::default(), &mut walk, &text, &meter)?;
    grams.map_or(Ok(()), Grams::finish)?;
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
    // There may be none, and one that stays is known to be of no use by its key.
    let _ = std::fs::remove_file(state::path(path));
    Ok(CalibrateReport {
        imatrix: Arc::new(imatrix),
        resumed,
        starved: starved.collect(),
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    })
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
