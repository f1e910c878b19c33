//! Products of rows and matrices.

use super::Multiply;
use super::device::{Device, Reads, View, Work};
use super::kernels::{FEW, Variant};
use super::weights::{Band, Stored};
use crate::graph::{ALIGN, RunError};
use crate::quant::{F16, F32};

/// Up to so many rows are multiplied as weights are unpacked, which then are read once for every [`FEW`] of them.
const MATRIX_VECTOR: u64 = 2 * FEW as u64;

/// Rows to be multiplied, in the precision that they are multiplied in.
pub(super) struct Rows {
    /// In single precision.
    single: View,
    /// In half precision, and the inverse scales after them.
    half: Option<(View, View)>,
    tokens: u64,
    /// Numbers in a row.
    width: u64,
}

/// Some of the rows, and columns from `column` on.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) row: u64,
    pub(super) rows: u64,
    pub(super) column: u64,
}

/// Where products go: rows of `step` numbers, from `first` on.
#[derive(Clone, Copy)]
pub(in crate::gpu) struct To<'a> {
    pub(in crate::gpu) view: &'a View,
    pub(in crate::gpu) first: u64,
    pub(in crate::gpu) step: u64,
}

/// What products do to what is there; `adds` in the shaders.
#[derive(Clone, Copy)]
pub(in crate::gpu) enum Adds {
    Replace,
    Add,
    Subtract,
}

/// A vector, and the first number of it that counts.
pub(super) type Bias<'a> = Option<(&'a View, u64)>;

impl Rows {
    /// Prepares rows of `width` numbers.
    pub(super) fn new(
        device: &mut Device,
        how: Multiply,
        single: &View,
        tokens: u64,
        width: u64,
    ) -> Result<Self, RunError> {
        let is_half = how.number() == "f16" && tokens > MATRIX_VECTOR;
        let half = if is_half { Some(halve(device, single, tokens, width)?) } else { None };
        Ok(Self { single: single.clone(), half, tokens, width })
    }

    /// All rows, from their first column on.
    pub(super) fn all(&self) -> Part {
        Part { row: 0, rows: self.tokens, column: 0 }
    }

    /// Gives memory back.
    pub(super) fn free(self, device: &mut Device) {
        if let Some((rows, _)) = self.half {
            device.give(rows);
        }
    }
}

fn halve(device: &mut Device, single: &View, tokens: u64, width: u64) -> Result<(View, View), RunError> {
    let scales = (2 * tokens * width).next_multiple_of(ALIGN);
    let view = device.take(scales + 4 * tokens);
    let reads = Reads { input: Some(single), ..Reads::default() };
    let params = [tokens as u32, (width / 4) as u32, (scales / 4) as u32];
    device.call(Variant::of("halve"), reads, &view, params, Work::Groups(tokens, width))?;
    let scales = View { offset: scales, bytes: 4 * tokens, buffer: view.buffer.clone() };
    Ok((View { bytes: 2 * tokens * width, ..view }, scales))
}

/// `y = x · matrixᵀ + bias`, of the matrix of that number, or that added to y.
pub(super) fn multiply(
    device: &mut Device,
    how: Multiply,
    x: (&Rows, Part),
    (matrix, number): (&Stored, u64),
    bias: Bias<'_>,
    (y, adds): (To<'_>, Adds),
) -> Result<(), RunError> {
    for band in matrix.bands(number) {
        let y = (To { first: y.first + band.out, ..y }, adds);
        let bias = bias.map(|(view, first)| (view, first + band.out));
        if x.1.rows <= MATRIX_VECTOR && matrix.inputs.is_multiple_of(32) {
            few(device, x, matrix, &band, bias, y)?;
        } else {
            panels(device, how, x, matrix, &band, bias, y)?;
        }
    }
    Ok(())
}

/// A few rows: weights are unpacked as they are multiplied.
fn few(
    device: &mut Device,
    (x, part): (&Rows, Part),
    matrix: &Stored,
    band: &Band<'_>,
    bias: Bias<'_>,
    (y, adds): (To<'_>, Adds),
) -> Result<(), RunError> {
    /// A matrix of no more rows than this is short, if it is to be multiplied with one row.
    const SHORT: u64 = 2048;
    let table = device.table(matrix.format.ggml_type);
    let reads = Reads {
        input: Some(band.view),
        third: Some(&x.single),
        fourth: table.as_ref(),
        fifth: bias.map(|(view, _)| view),
    };
    for first in (0..part.rows).step_by(FEW) {
        let tokens = (part.rows - first).min(FEW as u64) as u32;
        // With the rows of the matrix that a workgroup takes: `BANDS * HEIGHT` in the shader.
        let (kernel, height) = match tokens {
            1 if band.rows <= SHORT => ("multiply_short", 2),
            _ => ("multiply_row", 8),
        };
        let variant = Variant { format: matrix.format.name, tokens, ..Variant::of(kernel) };
        let groups = band.rows.div_ceil(height);
        let params = [
            groups,
            band.rows,
            matrix.inputs / 32,
            ((part.row + first) * x.width + part.column) / 4,
            x.width / 4,
            y.first + (part.row + first) * y.step,
            y.step,
            bias.map_or(0, |(_, first)| first + 1),
            band.row,
            adds as u64,
        ];
        let cost = height * matrix.inputs * u64::from(tokens);
        device.call(variant, reads, y.view, params.map(|n| n as u32), Work::Groups(groups, cost))?;
    }
    Ok(())
}

/// Many rows: some rows of the matrix are unpacked, then multiplied.
fn panels(
    device: &mut Device,
    how: Multiply,
    (x, part): (&Rows, Part),
    matrix: &Stored,
    band: &Band<'_>,
    bias: Bias<'_>,
    (y, adds): (To<'_>, Adds),
) -> Result<(), RunError> {
    // Without rows in half precision the matrix is not either.
    let how = if x.half.is_none() { how.single() } else { how };
    let number = how.number();
    let is_ready = matrix.format == if number == "f16" { &F16 } else { &F32 };
    let bytes = if number == "f16" { 2 } else { 4 };
    let step = match is_ready {
        true => band.rows,
        false => (device.panel / (bytes * matrix.inputs) / 32 * 32).max(32),
    };
    for first in (0..band.rows).step_by(step as usize) {
        let rows = step.min(band.rows - first);
        let y = (To { first: y.first + first, ..y }, adds);
        let bias = bias.map(|(view, from)| (view, from + first));
        if is_ready {
            tiles(device, how, (x, part), (band.view, band.row + first, rows, matrix.inputs), bias, y)?;
            continue;
        }
        // Parts of 32 weights begin with a row where rows are whole numbers of them, and with every 32nd row anyway.
        let from = (band.row + first) / 32 * 32;
        let parts = ((band.row + first + rows - from) * matrix.inputs).div_ceil(32);
        let panel = device.take(parts * 32 * bytes);
        let table = device.table(matrix.format.ggml_type);
        let reads = Reads { input: Some(band.view), fourth: table.as_ref(), ..Reads::default() };
        let variant = Variant { format: matrix.format.name, number, ..Variant::of("panel") };
        let params = [parts as u32, (from * matrix.inputs / 32) as u32];
        device.call(variant, reads, &panel, params, Work::Each(parts, 256))?;
        tiles(device, how, (x, part), (&panel, band.row + first - from, rows, matrix.inputs), bias, y)?;
        device.give(panel);
    }
    Ok(())
}

/// Rows times a matrix (its memory, first row, rows, columns) of numbers in the precision of the rows.
pub(super) fn tiles(
    device: &mut Device,
    how: Multiply,
    (x, part): (&Rows, Part),
    (matrix, row, outputs, inputs): (&View, u64, u64, u64),
    bias: Bias<'_>,
    (y, adds): (To<'_>, Adds),
) -> Result<(), RunError> {
    let (rows, scales) = match &x.half {
        Some((rows, scales)) => (rows, Some(scales)),
        None => (&x.single, None),
    };
    let reads = Reads { input: Some(matrix), third: Some(rows), fourth: bias.map(|(view, _)| view), fifth: scales };
    let tiles = Tiles {
        shape: [part.rows, inputs, outputs],
        x: [part.row * x.width + part.column, x.width],
        matrix: [row * inputs, inputs],
        bias: bias.map_or(0, |(_, first)| first + 1),
        scale: x.half.as_ref().map_or(0, |_| part.row + 1),
        adds,
    };
    tiles.run(device, how, reads, To { first: y.first + part.row * y.step, ..y })
}

/// What kernels that multiply by tiles are told.
struct Tiles {
    /// Rows of x, numbers in each, and rows of the matrix.
    shape: [u64; 3],
    /// The first number, and from a row to the next.
    x: [u64; 2],
    matrix: [u64; 2],
    /// 1 more than the first number of the bias, and of the scales of the rows; 0 where there are none.
    bias: u64,
    scale: u64,
    adds: Adds,
}

impl Tiles {
    fn run(&self, device: &mut Device, how: Multiply, reads: Reads<'_>, y: To<'_>) -> Result<(), RunError> {
        let ([rows, inputs, outputs], [x, x_step], [matrix, matrix_step]) = (self.shape, self.x, self.matrix);
        let (variant, [tall, wide]) = how.kernel();
        let across = outputs.div_ceil(wide);
        let count = across * rows.div_ceil(tall);
        let params = [
            count,
            rows,
            outputs,
            inputs / 4,
            x / 4,
            x_step / 4,
            matrix / 4,
            matrix_step / 4,
            y.first,
            y.step,
            self.bias,
            self.scale,
            across,
            self.adds as u64,
        ];
        let work = Work::Groups(count, tall * wide * inputs.max(4));
        device.call(variant, reads, y.view, params.map(|n| n as u32), work)
    }
}

/// `y = x · matrixᵀ` of numbers in single precision, all of them in fours, or that added to y: so many rows of x, numbers in
/// each, and rows of the matrix.
pub(in crate::gpu) fn product(
    device: &mut Device,
    how: Multiply,
    (x, matrix): (To<'_>, To<'_>),
    y: To<'_>,
    [rows, inputs, outputs]: [u64; 3],
    adds: Adds,
) -> Result<(), RunError> {
    let reads = Reads { input: Some(matrix.view), third: Some(x.view), ..Reads::default() };
    let (x, matrix) = ([x.first, x.step], [matrix.first, matrix.step]);
    let tiles = Tiles { shape: [rows, inputs, outputs], x, matrix, bias: 0, scale: 0, adds };
    tiles.run(device, how.single(), reads, y)
}
