//! A recording: what to run, as plain data.
//!
//! A [`Recording`] lists dispatches of named kernels over byte ranges of three buffers. It knows no GPU: the runners
//! in [`crate::gpu`] and [`crate::cpu`] execute it, and must write the same bytes.
//!
//! A [`Runner`] hands out [`Slot`]s. A slot is one chunk's worth of memory that travels through a pipeline: its input
//! is filled, the recording is submitted, its output is taken, and it starts again. With three or more slots in
//! flight, reading, upload, compute, readback and writing overlap, and memory is bounded by the slots.

use crate::quant::{Effort, F32, FormatRef};
use std::ops::Range;

/// Byte offsets inside a slot's buffers are multiples of this (WebGPU's storage-binding alignment).
pub const ALIGN: u64 = 256;

/// Which of a slot's buffers a range lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// Filled by the host before submission.
    Input,
    /// Written and read by kernels only.
    Scratch,
    /// Read back by the host.
    Output,
}

/// A range of bytes of one of the buffers; `offset` is a multiple of [`ALIGN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The buffer.
    pub buffer: Buffer,
    /// First byte.
    pub offset: u64,
    /// Length in bytes (before padding to whole words).
    pub bytes: u64,
}

impl Binding {
    /// The bytes it covers.
    pub fn range(self) -> Range<u64> {
        self.offset..self.offset + self.bytes
    }
}

/// The work a kernel does, named; see `KERNELS` for the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Weights in a float format (`source`) to blocks of `to`.
    Quantize {
        /// F32, F16 or BF16.
        source: FormatRef,
        /// What is written.
        to: FormatRef,
        /// How long its search may look.
        effort: Effort,
    },
    /// Blocks of `from` to F32.
    Dequantize {
        /// What is read.
        from: FormatRef,
    },
}

/// Parameters of every conversion kernel, the same bytes for shader and twin.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct ConvertParams {
    /// Blocks of the block format (weights, where both sides are floats).
    pub blocks: u32,
    /// Factors of the squared errors, one a column of the matrix; 0 where there are none.
    pub columns: u32,
    /// The column of the first weight.
    pub first: u32,
    /// 0: a shader cannot know, which keeps its compiler from fusing products with sums (shaders/shared/exact.wgsl).
    pub zero: u32,
}

/// One run of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// What runs.
    pub kernel: Kernel,
    /// Where it reads.
    pub read: Binding,
    /// Where it writes.
    pub write: Binding,
    /// Where the factors of the squared errors are, as F32, if weights differ in importance.
    pub factors: Option<Binding>,
    /// Its parameters.
    pub params: ConvertParams,
}

/// Dispatches in order, and the buffer sizes they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// In the order of execution; a later one may read what an earlier one wrote.
    pub dispatches: Vec<Dispatch>,
    /// Bytes of [`Buffer::Input`].
    pub input_bytes: u64,
    /// Bytes of [`Buffer::Scratch`].
    pub scratch_bytes: u64,
    /// Bytes of [`Buffer::Output`].
    pub output_bytes: u64,
}

/// Weights reserved in a recording's input, to be written in one format or in several.
#[derive(Clone, Debug)]
pub struct Weights {
    format: FormatRef,
    count: u64,
    stored: Binding,
    /// As F32 in scratch, once a block format had to be unpacked.
    unpacked: Option<Binding>,
    /// The factors, and the column of the first weight.
    factors: Option<(Binding, u64)>,
}

impl Weights {
    /// The bytes of the slot's input to be filled with them.
    pub fn input(&self) -> Range<u64> {
        self.stored.range()
    }

    /// The bytes of the slot's input to be filled with their factors.
    pub fn factors(&self) -> Option<Range<u64>> {
        self.factors.map(|(factors, _)| factors.range())
    }
}

impl Recording {
    /// Reserves input for `count` weights (whole blocks of every format they are written in).
    pub fn read(&mut self, format: FormatRef, count: u64) -> Weights {
        let stored = reserve(&mut self.input_bytes, Buffer::Input, format.bytes(count));
        Weights { format, count, stored, unpacked: None, factors: None }
    }

    /// [`read`](Self::read) with importance: `columns` factors, as F32, are to be filled in as well. The first weight
    /// is of column `first`.
    pub fn read_weighted(&mut self, format: FormatRef, count: u64, columns: u64, first: u64) -> Weights {
        let factors = reserve(&mut self.input_bytes, Buffer::Input, F32.bytes(columns));
        Weights { factors: Some((factors, first)), ..self.read(format, count) }
    }

    /// Appends the conversion of `weights` and returns the byte range of the slot's output to be taken. Block formats
    /// are unpacked into F32 scratch, once for all that is made of them.
    pub fn write(&mut self, weights: &mut Weights, to: FormatRef, effort: Effort) -> Range<u64> {
        let Weights { format: from, count, stored, unpacked, factors } = weights;
        let factors = factors.filter(|_| to.weighted);
        let write = reserve(&mut self.output_bytes, Buffer::Output, to.bytes(*count));
        let blocks = |format: FormatRef| *count / format.block_weights as u64;
        if from.is_float() {
            self.push(Kernel::Quantize { source: from, to, effort }, *stored, write, blocks(to), factors);
        } else if *to == F32 {
            self.push(Kernel::Dequantize { from }, *stored, write, blocks(from), None);
        } else {
            let middle = *unpacked.get_or_insert_with(|| {
                let middle = reserve(&mut self.scratch_bytes, Buffer::Scratch, F32.bytes(*count));
                self.push(Kernel::Dequantize { from }, *stored, middle, blocks(from), None);
                middle
            });
            self.push(Kernel::Quantize { source: &F32, to, effort }, middle, write, blocks(to), factors);
        }
        write.range()
    }

    /// [`read`](Self::read) and [`write`](Self::write) at once, with [`Effort::Fast`]: the byte ranges of the slot's input, to be filled, and
    /// output, to be taken.
    pub fn convert(&mut self, from: FormatRef, to: FormatRef, weights: u64) -> (Range<u64>, Range<u64>) {
        let mut weights = self.read(from, weights);
        let output = self.write(&mut weights, to, Effort::Fast);
        (weights.input(), output)
    }

    /// [`convert`](Self::convert) with importance: `columns` factors, as F32, are to be filled in as well, in the byte
    /// range of the input returned between the other two. The first weight is of column `first`.
    pub fn convert_weighted(
        &mut self,
        from: FormatRef,
        to: FormatRef,
        weights: u64,
        columns: u64,
        first: u64,
    ) -> (Range<u64>, Range<u64>, Range<u64>) {
        let mut weights = self.read_weighted(from, weights, columns, first);
        let output = self.write(&mut weights, to, Effort::Fast);
        let factors = weights.factors().expect("they were just reserved");
        (weights.input(), factors, output)
    }

    fn push(&mut self, kernel: Kernel, read: Binding, write: Binding, blocks: u64, factors: Option<(Binding, u64)>) {
        let (columns, first) = factors.map_or((0, 0), |(factors, first)| (factors.bytes / 4, first));
        let params = ConvertParams { blocks: blocks as u32, columns: columns as u32, first: first as u32, zero: 0 };
        self.dispatches.push(Dispatch { kernel, read, write, factors: factors.map(|f| f.0), params });
    }
}

fn reserve(total: &mut u64, buffer: Buffer, bytes: u64) -> Binding {
    let offset = *total;
    *total = (offset + bytes).next_multiple_of(ALIGN);
    Binding { buffer, offset, bytes }
}

/// Why a recording could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The device went away: unplugged, reset by its driver, or out of memory for good.
    #[error("the device {device} was lost: {reason}")]
    DeviceLost {
        /// Its name.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// The device has no room for the slot's buffers.
    #[error("the device {device} has no room for {bytes} bytes of buffers: {reason}")]
    OutOfMemory {
        /// Its name.
        device: String,
        /// What was asked for.
        bytes: u64,
        /// What the driver said.
        reason: String,
    },
    /// The kernels cannot do what was asked for.
    #[error("the device {device} cannot run this model: {reason}")]
    Unsupported {
        /// Its name.
        device: String,
        /// What was found, and what was expected.
        reason: String,
    },
}

/// Sizes of a slot's three buffers, in bytes: a recording must not need more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSize {
    /// Of [`Buffer::Input`].
    pub input: u64,
    /// Of [`Buffer::Scratch`] (0 where no block format is read).
    pub scratch: u64,
    /// Of [`Buffer::Output`].
    pub output: u64,
}

/// Executes recordings.
pub trait Runner: Send + Sync {
    /// The device, as shown to people: `NVIDIA H100 (Vulkan)`, `CPU, 2 threads`.
    fn name(&self) -> String;

    /// The largest sizes a slot may have here.
    fn slot_limit(&self) -> SlotSize;

    /// A new slot.
    fn slot(&self, size: SlotSize) -> Result<Box<dyn Slot>, RunError>;
}

/// Memory for one chunk in flight. The order of calls is `input`, `submit`, `output`, and round again.
/// A slot may move between threads between calls.
pub trait Slot: Send {
    /// Host memory to fill: the first `bytes` bytes of the input buffer. What it holds before is unspecified.
    fn input(&mut self, bytes: u64) -> Result<&mut [u8], RunError>;

    /// Starts the recording on the input. Returns at once where the device runs by itself.
    fn submit(&mut self, recording: &Recording) -> Result<(), RunError>;

    /// Waits for the submitted recording and returns its output buffer. May be called again.
    fn output(&mut self) -> Result<&[u8], RunError>;
}
