//! What a cache keeps of rows.

use super::device::{Device, Reads, View, Work};
use super::kernels::Variant;
use crate::cache::{Row, blocks_of};
use crate::graph::RunError;

/// Numbers that an invocation takes, which are a block: as in shaders/keep.wgsl.
const NUMBERS: u64 = 32;

/// Rows become what a cache keeps of them, in place. Twin: [`Row::keep`].
pub(super) fn keep(device: &mut Device, row: Row, [rows, width]: [u64; 2], to: &View) -> Result<(), RunError> {
    let count = rows * width;
    // The number of the way in shaders/keep.wgsl, bits of a code, and what is rotated before.
    let (way, bits, rotation) = match row {
        Row::Exact => return Ok(()),
        Row::F16 => (0, 0, None),
        Row::Fp8 => (5, 0, None),
        Row::Blocks { format, rotation } => {
            let blocks = blocks_of(format).expect("a cache has only formats of the list");
            (blocks.levels as u32, blocks.bits, rotation)
        }
    };
    let turn = |device: &mut Device| match rotation {
        None => Ok(()),
        Some(group) => {
            let (group, groups) = (group as u64, count / group as u64);
            let params = [groups as u32, group as u32, (1.0 / (group as f32).sqrt()).to_bits()];
            device.call(Variant::of("rotate"), Reads::default(), to, params, Work::Each(groups, 16 * group))
        }
    };
    turn(device)?;
    let blocks = count.div_ceil(NUMBERS);
    let params = [blocks as u32, way, bits, 0, count as u32];
    device.call(Variant::of("keep"), Reads::default(), to, params, Work::Each(blocks, 16 * NUMBERS))?;
    turn(device)
}
