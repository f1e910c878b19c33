//! Four threads and a ring of slots: while one chunk is written, the next is computed and the one after is read; what was
//! written is read back and compared.

use super::chunks::{Chunk, Converted, slot_size};
use super::output::Output;
use super::read;
use crate::engine::event::Stage;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::graph::{Recording, RunError, Runner, Slot, SlotSize};
use crate::model::Model;
use rayon::prelude::*;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Chunks in flight: one being read, one computed, one written, and one to even out their times.
const SLOTS: usize = 4;

/// A chunk's results as they were written: the tensor's name, where it is, and its hash.
type Written<'a> = Vec<(&'a str, &'a Converted, u64)>;

/// Moves every chunk through.
pub(super) fn run(
    model: &Model,
    chunks: &[Chunk],
    runner: &dyn Runner,
    files: &[Output],
    allow_nonfinite: bool,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let meter = Meter::new(context, Stage::Packing, chunks.iter().map(|chunk| chunk.source_bytes).sum());
    let (give, take) = ring(chunks, false, |size| runner.slot(size))?;
    let (give_copied, take_copied) = ring(chunks, true, |size| Ok(CopySlot::boxed(size)))?;
    let (to_compute, filled) = sync_channel(SLOTS);
    let (to_write, submitted) = sync_channel(SLOTS);
    // A stage that ends early drops its channels, and the others end quietly: the one with an error tells it.
    thread::scope(|scope| {
        let takes = [take, take_copied];
        let reader = scope.spawn(|| read_chunks(model, chunks, takes, to_compute, allow_nonfinite, context));
        let computer = scope.spawn(|| compute_chunks(chunks, filled, to_write));
        let (to_check, written) = channel();
        let checker = scope.spawn(move || check_chunks(written, files));
        let done = write_chunks(model, chunks, [give, give_copied], submitted, to_check, files, &meter);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        computer.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        checker.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        done
    })
}

type Give = Sender<Box<dyn Slot>>;
type Take = Receiver<Box<dyn Slot>>;

/// Slots that wait to be filled, and the way back for those that were written.
fn ring(
    chunks: &[Chunk],
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
    chunks: &[Chunk],
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
            let bad = read::fill(model, piece, &mut input[range])?;
            if let Some(index) = bad.filter(|_| warned != Some(piece.tensor)) {
                let found = describe_nonfinite(model, piece.tensor, index);
                if !allow_nonfinite {
                    return Err(Stop::Failed(format!(
                        "{found}; such a model is damaged, so download it again, or go on with --allow-nonfinite, which counts \
                         it as 0 in block formats"
                    )));
                }
                context.warn(found);
                warned = Some(piece.tensor);
            }
        }
        if to_compute.send((index, slot)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn describe_nonfinite(model: &Model, tensor: usize, index: u64) -> String {
    let tensor = &model.tensors[tensor];
    let (row, column) = (index / tensor.columns(), index % tensor.columns());
    format!(
        "{}: the tensor {} ({}) has a weight that is NaN or infinite, the first at row {row}, column {column}",
        model.path.display(),
        tensor.stored_name,
        tensor.name
    )
}

fn compute_chunks(chunks: &[Chunk], filled: Receiver<InFlight>, to_write: SyncSender<InFlight>) -> Result<(), Stop> {
    for (index, mut slot) in filled {
        slot.submit(&chunks[index].recording)?;
        if to_write.send((index, slot)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn write_chunks<'a>(
    model: &'a Model,
    chunks: &'a [Chunk],
    gives: [Give; 2],
    submitted: Receiver<InFlight>,
    to_check: Sender<Written<'a>>,
    files: &[Output],
    meter: &Meter<'_, '_>,
) -> Result<(), Stop> {
    for (index, mut slot) in submitted {
        let chunk = &chunks[index];
        let bytes = slot.output()?;
        let mut written = Vec::new();
        for piece in &chunk.pieces {
            let name = model.tensors[piece.tensor].name.as_str();
            for result in &piece.results {
                let bytes = &bytes[result.output.start as usize..result.output.end as usize];
                written.push((name, result, files[result.file].write(result.position, bytes)?));
            }
        }
        let last = written.last().map_or("", |(name, ..)| name);
        // A checker that has gone tells its own error.
        let _ = to_check.send(written);
        meter.advance(chunk.source_bytes, last)?;
        // The reader has gone when the last chunk was read.
        let _ = gives[usize::from(chunk.copied)].send(slot);
    }
    Ok(())
}

fn check_chunks(written: Receiver<Written<'_>>, files: &[Output]) -> Result<(), Stop> {
    for results in written {
        results.into_par_iter().try_for_each(|(name, Converted { output, file, position }, hash)| {
            files[*file].check(&format!("the tensor {name}"), *position, output.end - output.start, hash)
        })?;
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
