//! Runs a recording on the CPU: the twin of every kernel, and the fallback where there is no GPU.

pub mod forward;

use crate::graph::{Buffer, Dispatch, Kernel, Recording, RunError, Runner, Slot, SlotSize};
use crate::quant::{F32, FormatRef, Importance, Search};
use rayon::prelude::*;
use std::sync::Arc;

/// Weights a thread takes at a time: large enough to hide the hand-over, small enough to spread.
const TASK: usize = 1 << 16;
/// Weights decoded at a time, to stay in the first cache.
const STEP: usize = 2048;

/// Executes recordings on a pool of threads.
pub struct CpuRunner {
    pool: Arc<rayon::ThreadPool>,
}

impl CpuRunner {
    /// A runner with this many threads; 0 takes one for each processor.
    pub fn new(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("kernel-{i}")).build();
        Self { pool: Arc::new(pool.expect("the system starts threads")) }
    }
}

impl Runner for CpuRunner {
    fn name(&self) -> String {
        match self.pool.current_num_threads() {
            1 => "CPU, 1 thread".into(),
            n => format!("CPU, {n} threads"),
        }
    }

    fn slot_limit(&self) -> SlotSize {
        SlotSize { input: 1 << 40, scratch: 1 << 40, output: 1 << 40 }
    }

    fn slot(&self, size: SlotSize) -> Result<Box<dyn Slot>, RunError> {
        let buffer = |bytes: u64| vec![0; bytes as usize];
        Ok(Box::new(CpuSlot {
            pool: self.pool.clone(),
            input: buffer(size.input),
            scratch: buffer(size.scratch),
            output: buffer(size.output),
            filled: 0,
        }))
    }
}

struct CpuSlot {
    pool: Arc<rayon::ThreadPool>,
    input: Vec<u8>,
    scratch: Vec<u8>,
    output: Vec<u8>,
    filled: usize,
}

impl Slot for CpuSlot {
    fn input(&mut self, bytes: u64) -> Result<&mut [u8], RunError> {
        Ok(&mut self.input[..bytes as usize])
    }

    fn submit(&mut self, recording: &Recording) -> Result<(), RunError> {
        for dispatch in &recording.dispatches {
            self.run(dispatch);
        }
        self.filled = recording.output_bytes as usize;
        Ok(())
    }

    fn output(&mut self) -> Result<&[u8], RunError> {
        Ok(&self.output[..self.filled])
    }
}

impl CpuSlot {
    fn run(&mut self, dispatch: &Dispatch) {
        let Dispatch { kernel, read, write, factors, params } = dispatch;
        let (src, dst): (&[u8], &mut [u8]) = match (read.buffer, write.buffer) {
            (Buffer::Input, Buffer::Output) => (&self.input, &mut self.output),
            (Buffer::Input, Buffer::Scratch) => (&self.input, &mut self.scratch),
            (Buffer::Scratch, Buffer::Output) => (&self.scratch, &mut self.output),
            (from, to) => panic!("no kernel reads {from:?} and writes {to:?}"),
        };
        let src = &src[read.offset as usize..][..read.bytes as usize];
        let dst = &mut dst[write.offset as usize..][..write.bytes as usize];
        let columns: Option<Vec<f32>> = factors.map(|factors| {
            let bytes = &self.input[factors.offset as usize..][..factors.bytes as usize];
            bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
        });
        let importance = columns.as_ref().map(|columns| Importance { columns, first: params.first as usize });
        let blocks = params.blocks as usize;
        self.pool.install(|| match *kernel {
            Kernel::Quantize { source, to, effort } => {
                convert(source, to, blocks * to.block_weights, Search { importance, effort }, src, dst)
            }
            Kernel::Dequantize { from } => {
                convert(from, &F32, blocks * from.block_weights, Search::default(), src, dst)
            }
        });
    }
}

/// Converts `weights` weights over all threads of the current pool.
fn convert(from: FormatRef, to: FormatRef, weights: usize, how: Search<'_>, src: &[u8], dst: &mut [u8]) {
    let bytes = |format: FormatRef, weights: usize| format.bytes(weights as u64) as usize;
    let (src, dst) = (&src[..bytes(from, weights)], &mut dst[..bytes(to, weights)]);
    let tasks = src.par_chunks(bytes(from, TASK)).zip(dst.par_chunks_mut(bytes(to, TASK)));
    tasks.enumerate().for_each(|(task, (src, dst))| {
        let mut decoded = [0.0; STEP];
        let steps = src.chunks(bytes(from, STEP)).zip(dst.chunks_mut(bytes(to, STEP)));
        for (step, (src, dst)) in steps.enumerate() {
            let weights = &mut decoded[..src.len() / from.block_bytes * from.block_weights];
            (from.dequantize)(src, weights);
            (to.quantize)(weights, how.skip(task * TASK + step * STEP), dst);
        }
    });
}
