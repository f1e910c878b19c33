//! Some rows of a matrix on their way to blocks: the steps that kernels do.

use super::record::Record;
use super::strips::Strip;
use crate::gpu::forward::Multiply;
use crate::gpu::forward::device::{Device, Reads, View, Work};
use crate::gpu::forward::kernels::Variant;
use crate::gpu::forward::product::{Adds, To, product};
use crate::gpu::runner::{DISPATCH_WEIGHTS, Gpu};
use crate::gpu::shaders::Shader;
use crate::graph::{ALIGN, ConvertParams, Kernel, RunError};
use crate::quant::{Effort, F32, FormatRef};

/// Rows that a workgroup takes within a block of columns.
const ROWS: u64 = 4;

/// Rows of a matrix.
pub(super) struct Rows<'a> {
    pub(super) device: &'a mut Device,
    pub(super) how: Multiply,
    pub(super) format: FormatRef,
    pub(super) record: Record,
    /// How many.
    pub(super) rows: u64,
    pub(super) weights: View,
    /// Where the numbers of a block lie, if it can be taken apart, and what is in each 16 bits of it.
    pub(super) layout: Option<[View; 2]>,
}

impl Rows<'_> {
    fn variant(&self, kernel: &'static str) -> Variant {
        Variant { format: self.format.name, ..Variant::of(kernel) }
    }

    /// Memory for so many numbers of each row.
    pub(super) fn take(&mut self, numbers: u64) -> View {
        self.device.take(4 * self.rows * numbers)
    }

    /// Bytes of the blocks of so many weights of each row.
    pub(super) fn bytes(&self, width: u64) -> u64 {
        self.format.bytes(self.rows * width)
    }

    /// Searches blocks of weights, `width` of each row, where the first of `factors` are how much each column counts.
    pub(super) fn search(&mut self, from: &View, factors: &View, width: u64, to: &View) -> Result<(), RunError> {
        let kernel = Kernel::Quantize { source: &F32, to: self.format, effort: Effort::Best };
        let variant = Variant::of(Shader::of(kernel).name);
        let table = self.device.table(self.format.ggml_type);
        let block = self.format.block_weights as u64;
        let blocks = self.rows * width / block;
        // Whole words of both sides.
        let step = (DISPATCH_WEIGHTS[usize::from(self.device.is_cpu)] / block).next_multiple_of(ALIGN);
        for first in (0..blocks).step_by(step as usize) {
            let count = step.min(blocks - first);
            let part = |view: &View, bytes: u64| View {
                offset: view.offset + first * bytes,
                bytes: (count * bytes).next_multiple_of(4),
                buffer: view.buffer.clone(),
            };
            let column = (first * block % width) as u32;
            let params = ConvertParams { blocks: count as u32, columns: width as u32, first: column, zero: 0 };
            let from = part(from, 4 * block);
            let reads = Reads { input: Some(&from), third: Some(factors), fourth: table.as_ref(), fifth: None };
            let groups = Gpu::groups(kernel, params.blocks);
            self.device.convert(variant, reads, &part(to, self.format.block_bytes as u64), &params, groups)?;
        }
        Ok(())
    }

    /// What blocks stand for, `width` weights of each row.
    pub(super) fn values(&mut self, blocks: &View, width: u64, to: &View) -> Result<(), RunError> {
        let parts = self.rows * width / 32;
        let table = self.device.table(self.format.ggml_type);
        let reads = Reads { input: Some(blocks), fourth: table.as_ref(), ..Reads::default() };
        let variant = Variant { number: "f32", ..self.variant("panel") };
        self.device.call(variant, reads, to, [parts as u32, 0], Work::Each(parts, 256))
    }

    /// Takes blocks, or what they stand for, apart: `width` weights of each row, from a column on.
    pub(super) fn take_apart(&mut self, from: &View, column: u64, width: u64, state: &View) -> Result<(), RunError> {
        let count = self.rows * width;
        let params = [count, self.record.columns, self.record.stride, column, width].map(|n| n as u32);
        let places = self.layout.as_ref().map(|[places, _]| places);
        let reads = Reads { input: Some(from), third: Some(&self.weights), fourth: places, fifth: None };
        self.device.call(self.variant("take_apart"), reads, state, params, Work::Each(count, 64))
    }

    /// The products of errors with H.
    pub(super) fn add_products(
        &mut self,
        state: &View,
        strip: &Strip,
        is_first: bool,
        to: &View,
    ) -> Result<(), RunError> {
        let adds = if is_first { Adds::Replace } else { Adds::Add };
        let errors = To { view: state, first: strip.start, step: self.record.stride };
        self.multiply(errors, (&strip.all(), strip), To { view: to, first: 0, step: self.record.columns }, adds)
    }

    /// Takes what changes of weights do off the products of errors with H.
    pub(super) fn subtract_products(&mut self, state: &View, strip: &Strip, from: &View) -> Result<(), RunError> {
        let changes = To { view: state, first: self.record.work(), step: self.record.stride };
        let y = To { view: from, first: 0, step: self.record.columns };
        self.multiply(changes, (&strip.all(), strip), y, Adds::Subtract)
    }

    /// What the errors of a block of columns leave to later columns.
    pub(super) fn leave(&mut self, state: &View, strip: &Strip, lost: &View) -> Result<(), RunError> {
        if strip.end() == self.record.columns {
            return Ok(());
        }
        let adds = if strip.start == 0 { Adds::Replace } else { Adds::Add };
        let errors = To { view: state, first: strip.start, step: self.record.stride };
        let y = To { view: lost, first: strip.end(), step: self.record.columns };
        self.multiply(errors, (&strip.later(), strip), y, adds)
    }

    /// What makes good in a block of columns what was left to it.
    pub(super) fn make_good(&mut self, lost: &View, strip: &Strip, state: &View) -> Result<(), RunError> {
        let y = To { view: state, first: self.record.work(), step: self.record.stride };
        let left = To { view: lost, first: strip.start, step: self.record.columns };
        let matrix = strip.transposed();
        // Nothing is left to the first block.
        let inputs = if strip.start == 0 { 0 } else { strip.width };
        let by = To { view: &matrix, first: 0, step: strip.width };
        product(self.device, self.how, (left, by), y, [self.rows, inputs, strip.width], Adds::Replace)
    }

    fn multiply(&mut self, x: To<'_>, (matrix, strip): (&View, &Strip), y: To<'_>, adds: Adds) -> Result<(), RunError> {
        let by = To { view: matrix, first: 0, step: strip.width };
        let outputs = matrix.bytes / (4 * strip.width);
        product(self.device, self.how, (x, by), y, [self.rows, strip.width, outputs], adds)
    }

    /// The targets of a block of the format in every row, which begins at `column` of the strip's columns.
    pub(super) fn targets(&mut self, state: &View, strip: &Strip, column: u64, to: &View) -> Result<(), RunError> {
        let width = self.format.block_weights as u64;
        let count = self.rows * width;
        let params = [count, self.record.columns, self.record.stride, strip.start, column, width].map(|n| n as u32);
        let reads = Reads { input: Some(&self.weights), third: Some(state), ..Reads::default() };
        self.device.call(self.variant("targets"), reads, to, params, Work::Each(count, 16))
    }

    /// The targets of all of a strip's columns.
    pub(super) fn targets_of(&mut self, state: &View, strip: &Strip, to: &View) -> Result<(), RunError> {
        let count = self.rows * strip.width;
        let params = [count, self.record.columns, self.record.stride, strip.start, 0, strip.width].map(|n| n as u32);
        let reads = Reads { input: Some(&self.weights), third: Some(state), ..Reads::default() };
        // Where a record's numbers to work on begin is the same for all formats.
        let variant = Variant { format: crate::quant::Q8_0.name, ..Variant::of("targets") };
        self.device.call(variant, reads, to, params, Work::Each(count, 16))
    }

    /// Rounds that block's columns.
    pub(super) fn round(
        &mut self,
        state: &View,
        strip: &Strip,
        column: u64,
        values: Option<&View>,
    ) -> Result<(), RunError> {
        let Record { columns, stride, .. } = self.record;
        let params = [self.rows, columns, stride, strip.start, strip.width, column].map(|n| n as u32);
        let inverse = strip.inverse();
        let reads = Reads { input: Some(&self.weights), third: Some(&inverse), fourth: values, ..Reads::default() };
        let work = Work::Groups(self.rows.div_ceil(ROWS), 64 * strip.width * self.format.block_weights as u64);
        self.device.call(self.variant("carry"), reads, state, params, work)
    }

    /// Cost of each row, and how often it has changed.
    pub(super) fn costs(&mut self, state: &View, products: &View, to: &View) -> Result<(), RunError> {
        let params = [self.rows, self.record.columns, self.record.stride].map(|n| n as u32);
        let reads = Reads { input: Some(state), third: Some(products), ..Reads::default() };
        let work = Work::Groups(self.rows, 4 * self.record.columns);
        self.device.call(self.variant("row_costs"), reads, to, params, work)
    }

    /// Rows of `width` numbers of `from` take the place of those of `to`, where their costs are less.
    pub(super) fn choose(
        &mut self,
        (from, costs): (&View, &View),
        (to, known): (&View, &View),
        width: u64,
    ) -> Result<(), RunError> {
        let count = self.rows * width;
        let reads = Reads { input: Some(from), third: Some(costs), fourth: Some(known), fifth: None };
        let params = [count as u32, width as u32];
        self.device.call(Variant::of("choose_rows"), reads, to, params, Work::Each(count, 16))
    }

    /// Sweeps over a block of columns.
    pub(super) fn descend(&mut self, state: &View, strip: &Strip, products: &View) -> Result<(), RunError> {
        let Record { columns, stride, .. } = self.record;
        let params = [self.rows, columns, stride, strip.start, strip.width].map(|n| n as u32);
        let own = strip.own();
        let reads = Reads { input: Some(&own), third: Some(products), ..Reads::default() };
        let work = Work::Groups(self.rows.div_ceil(ROWS), 64 * strip.width * strip.width);
        self.device.call(self.variant("descend"), reads, state, params, work)
    }

    /// The blocks of all columns.
    pub(super) fn put_together(&mut self, state: &View, to: &View) -> Result<(), RunError> {
        let halves = self.bytes(self.record.columns) / 2;
        let words = halves.div_ceil(2);
        let params = [words, self.record.columns, self.record.stride, halves].map(|n| n as u32);
        let entries = self.layout.as_ref().map(|[_, entries]| entries);
        let reads = Reads { input: Some(state), third: entries, ..Reads::default() };
        self.device.call(self.variant("put_together"), reads, to, params, Work::Each(words, 256))
    }
}
