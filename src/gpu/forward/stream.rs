//! Rows of the residual stream that stay on a device from layer to layer.

use super::device::{Device, Reads, View, Work};
use super::kernels::Variant;
use crate::graph::{ALIGN, RunError};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows, a row a token.
pub struct Stream {
    rows: View,
    width: u64,
    tokens: u64,
    /// Bytes of all buffers of the device.
    all: Arc<AtomicU64>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.all.fetch_sub(self.rows.buffer.size(), Ordering::Relaxed);
    }
}

impl Stream {
    /// Puts rows on a device.
    pub(super) fn new(device: &mut Device, rows: &[f32], width: usize) -> Result<Self, RunError> {
        let view = device.upload("residual", bytemuck::cast_slice(rows));
        let tokens = (rows.len() / width) as u64;
        let stream = Self { rows: view, width: width as u64, tokens, all: Arc::clone(&device.allocated) };
        device.open.check(stream.rows.bytes)?;
        Ok(stream)
    }

    /// How many rows there are.
    pub fn tokens(&self) -> usize {
        self.tokens as usize
    }

    /// Rows, and numbers of each.
    pub fn size(&self) -> [u64; 2] {
        [self.tokens, self.width]
    }

    /// All of it.
    pub(super) fn view(&self) -> &View {
        &self.rows
    }

    /// Some of the rows; they begin at a multiple of [`Stream::step`].
    pub(super) fn part(&self, tokens: Range<usize>) -> View {
        let bytes = |tokens: usize| 4 * self.width * tokens as u64;
        View {
            buffer: self.rows.buffer.clone(),
            offset: self.rows.offset + bytes(tokens.start),
            bytes: bytes(tokens.len()),
        }
    }

    /// Rows of so many numbers can be looked at apart from the first on where their number is a multiple of this.
    pub fn step(width: usize) -> usize {
        let numbers = ALIGN as usize / 4;
        (1..=numbers).find(|tokens| (tokens * width).is_multiple_of(numbers)).unwrap_or(numbers)
    }
}

/// The sums of the squared difference of two streams of the same size, and of the squares of the second.
pub(super) fn difference(device: &mut Device, own: &Stream, other: &Stream) -> Result<[f64; 2], RunError> {
    /// Numbers of a workgroup: `NUMBERS` in the shader.
    const NUMBERS: u64 = 4096;
    let numbers = own.tokens * own.width;
    let groups = numbers.div_ceil(NUMBERS);
    let to = device.take(8 * groups);
    let reads = Reads { input: Some(&own.rows), third: Some(&other.rows), ..Reads::default() };
    let params = [groups as u32, numbers as u32];
    device.call(Variant::of("difference"), reads, &to, params, Work::Groups(groups, NUMBERS))?;
    let sums: Vec<[f32; 2]> = device.read(&View { bytes: 8 * groups, ..to.clone() })?;
    device.give(to);
    Ok(sums.iter().fold([0.0; 2], |all, sum| [all[0] + f64::from(sum[0]), all[1] + f64::from(sum[1])]))
}
