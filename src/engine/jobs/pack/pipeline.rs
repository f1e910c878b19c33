//! Four threads and a ring of slots: while one chunk is written, the next is computed and the one after is read, and the
//! one before is read back and compared.

use super::chunks::{Chunk, Converted, slot_size};
use super::output::Output;
use crate::engine::jobs::read;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::graph::{Recording, RunError, Runner, Slot, SlotSize};
use crate::model::Model;
use rayon::prelude::*;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Chunks in flight: one being read, one computed, one written, one checked, and one to even out their times.
const SLOTS: usize = 5;

/// Moves every chunk through.
pub(super) fn run(
    model: &Model,
    chunks: &[Chunk<'_>],
    runner: &dyn Runner,
    files: &[Output],
    allow_nonfinite: bool,
    meter: &Meter<'_, '_>,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let (give, take) = ring(chunks, false, |size| runner.slot(size))?;
    let (give_copied, take_copied) = ring(chunks, true, |size| Ok(CopySlot::boxed(size)))?;
    let (to_compute, filled) = sync_channel(SLOTS);
    let (to_write, submitted) = sync_channel(SLOTS);
    let (to_check, written) = sync_channel(SLOTS);
    // A stage that ends early drops its channels, and the others end quietly: the one with an error tells it.
    thread::scope(|scope| {
        let takes = [take, take_copied];
        let reader = scope.spawn(|| read_chunks(model, chunks, takes, to_compute, allow_nonfinite, context));
        let computer = scope.spawn(|| compute_chunks(chunks, filled, to_write));
        let writer = scope.spawn(|| write_chunks(chunks, submitted, to_check, files));
        let done = check_chunks(model, chunks, written, [give, give_copied], files, meter);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        computer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        writer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        done
    })
}

type Give = Sender<Box<dyn Slot>>;
type Take = Receiver<Box<dyn Slot>>;

/// Slots that wait to be filled, and the way back for those that were written.
fn ring(
    chunks: &[Chunk<'_>],
    copied: bool,
    slot: impl Fn(SlotSize) -> Result<Box<dyn Slot>, RunError>,
) -> Result<(Give, Take), Stop> {
    let (give, take) = channel();
    let needed = chunks.iter().filter(|chunk| chunk.copied == copied).count().min(SLOTS);
    for _ in 0..needed {
        let _ = give.send(slot(slot_size(chunks, copied))?);
    }
    Ok((give, take))
}

type InFlight = (usize, Box<dyn Slot>);

fn read_chunks(
    model: &Model,
    chunks: &[Chunk<'_>],
    takes: [Take; 2],
    to_compute: SyncSender<InFlight>,
    allow_nonfinite: bool,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let mut warned = None;
    for (index, chunk) in chunks.iter().enumerate() {
        if context.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let Ok(mut slot) = takes[usize::from(chunk.copied)].recv() else {
            return Ok(());
        };
        let input = slot.input(chunk.recording.input_bytes)?;
        for piece in &chunk.pieces {
            let range = piece.input.start as usize..piece.input.end as usize;
            if let Some(factors) = &piece.factors {
                factors.fill(input);
            }
            let bad = read::fill(model, &model.tensors[piece.tensor], piece.first, &mut input[range])?;
            if let Some(index) = bad.filter(|_| warned != Some(piece.tensor)) {
                nonfinite(model, piece.tensor, index, allow_nonfinite, context)?;
                warned = Some(piece.tensor);
            }
        }
        if to_compute.send((index, slot)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Tells of a weight of a tensor that is NaN or infinite; an error, unless such are allowed.
pub(super) fn nonfinite(
    model: &Model,
    tensor: usize,
    index: u64,
    is_allowed: bool,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let tensor = &model.tensors[tensor];
    let (row, column) = (index / tensor.columns(), index % tensor.columns());
    let found = format!(
        "{}: the tensor {} ({}) has a weight that is NaN or infinite, the first at row {row}, column {column}",
        model.path.display(),
        tensor.stored_name,
        tensor.name
    );
    if !is_allowed {
        return Err(Stop::Failed(format!(
            "{found}; such a model is damaged, so download it again, or go on with --allow-nonfinite, which counts it as 0 in \
             block formats"
        )));
    }
    context.warn(found);
    Ok(())
}

fn compute_chunks(
    chunks: &[Chunk<'_>],
    filled: Receiver<InFlight>,
    to_write: SyncSender<InFlight>,
) -> Result<(), Stop> {
    for (index, mut slot) in filled {
        slot.submit(&chunks[index].recording)?;
        if to_write.send((index, slot)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn write_chunks(
    chunks: &[Chunk<'_>],
    submitted: Receiver<InFlight>,
    to_check: SyncSender<InFlight>,
    files: &[Output],
) -> Result<(), Stop> {
    for (index, mut slot) in submitted {
        let bytes = slot.output()?;
        for result in chunks[index].pieces.iter().flat_map(|piece| &piece.results) {
            files[result.file].write(result.position, result.of(bytes))?;
        }
        if to_check.send((index, slot)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn check_chunks(
    model: &Model,
    chunks: &[Chunk<'_>],
    written: Receiver<InFlight>,
    gives: [Give; 2],
    files: &[Output],
    meter: &Meter<'_, '_>,
) -> Result<(), Stop> {
    for (index, mut slot) in written {
        let chunk = &chunks[index];
        let bytes = slot.output()?;
        chunk.pieces.par_iter().try_for_each(|piece| {
            let what = format!("the tensor {}", model.tensors[piece.tensor].name);
            let check = |result: &Converted| files[result.file].check(&what, result.position, result.of(bytes));
            piece.results.iter().try_for_each(check)
        })?;
        let last = chunk.pieces.last().map_or("", |piece| &model.tensors[piece.tensor].name);
        meter.advance(chunk.source_bytes, last)?;
        // The reader has gone when the last chunk was read.
        let _ = gives[usize::from(chunk.copied)].send(slot);
    }
    Ok(())
}

/// A slot for chunks that are only copied: what goes in comes out.
struct CopySlot {
    bytes: Vec<u8>,
}

impl CopySlot {
    fn boxed(size: SlotSize) -> Box<dyn Slot> {
        Box::new(Self { bytes: vec![0; size.input as usize] })
    }
}

impl Slot for CopySlot {
    fn input(&mut self, bytes: u64) -> Result<&mut [u8], RunError> {
        Ok(&mut self.bytes[..bytes as usize])
    }

    fn submit(&mut self, _: &Recording) -> Result<(), RunError> {
        Ok(())
    }

    fn output(&mut self) -> Result<&[u8], RunError> {
        Ok(&self.bytes)
    }
}
