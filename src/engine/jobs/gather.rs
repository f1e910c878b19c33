//! Reading the units of a stored tensor in the order of a view.

use crate::arch::{Axis, View};

/// Reads the units of `view`, of `unit` bytes each, into `out`. `read` reads bytes from the stored tensor's start on, and
/// `memory` holds what has to be read before it can be put in order.
///
/// Units that lie in a row are read at once, whatever their order, and so are the gaps between them where these are no
/// longer than what is wanted.
pub(super) fn gather<E>(
    view: View,
    unit: usize,
    memory: &mut Vec<u8>,
    out: &mut [u8],
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let View { start, axes } = view.merged();
    let Some(&Axis { count, stride }) = axes.last() else {
        return read(start * unit as u64, out);
    };
    if axes.len() == 1 && stride == 1 {
        return read(start * unit as u64, out);
    }
    let Plan { span, reads, loops } = Plan::of(start, &axes);
    let span = span as usize * unit;
    memory.resize(reads.units() as usize * span, 0);
    for (first, piece) in reads.offsets().zip(memory.chunks_exact_mut(span)) {
        read(first * unit as u64, piece)?;
    }
    let (inner, outer) = loops.split_at(loops.len() - 1);
    let rows = View { start: 0, axes: inner.to_vec() };
    for (first, row) in rows.offsets().zip(out.chunks_exact_mut(count as usize * unit)) {
        let from = &memory[first as usize * unit..];
        match (outer[0].stride as usize, unit) {
            (1, _) => row.copy_from_slice(&from[..row.len()]),
            (stride, 1) => spread::<1>(from, stride, row),
            (stride, 2) => spread::<2>(from, stride, row),
            (stride, 4) => spread::<4>(from, stride, row),
            (stride, _) => {
                let units = from.chunks(unit).step_by(stride);
                row.chunks_exact_mut(unit).zip(units).for_each(|(to, from)| to.copy_from_slice(from));
            }
        }
    }
    Ok(())
}

/// Every `stride`-th unit of `from`; the size of a unit is known to the compiler.
fn spread<const UNIT: usize>(from: &[u8], stride: usize, to: &mut [u8]) {
    let (from, to) = (from.as_chunks::<UNIT>().0, to.as_chunks_mut::<UNIT>().0);
    to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
}

/// Which reads a box of units takes.
struct Plan {
    /// Units of one read.
    span: u64,
    /// Where the reads begin.
    reads: View,
    /// The loops of the box, with strides in what was read.
    loops: Vec<Axis>,
}

impl Plan {
    fn of(start: u64, axes: &[Axis]) -> Self {
        let mut by_stride: Vec<usize> = (0..axes.len()).collect();
        by_stride.sort_by_key(|&axis| axes[axis].stride);
        let mut span = 1;
        let mut loops = axes.to_vec();
        let mut around: Vec<Axis> = Vec::new();
        for axis in by_stride {
            let Axis { count, stride } = axes[axis];
            if around.is_empty() && stride <= 2 * span {
                span += (count - 1) * stride;
            } else {
                loops[axis].stride = span * around.iter().map(|axis| axis.count).product::<u64>();
                around.push(axes[axis]);
            }
        }
        around.reverse();
        Self { span, reads: View { start, axes: around }, loops }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::convert::Infallible;

    /// Gathers from units that hold their own number, and returns how many reads it took.
    fn gathered(view: &View, unit: usize) -> (Vec<u64>, usize) {
        let reads = RefCell::new(0);
        let mut out = vec![0; view.units() as usize * unit];
        let read = |from: u64, out: &mut [u8]| {
            *reads.borrow_mut() += 1;
            let byte = |at: u64| ((at / unit as u64) >> (8 * (at % unit as u64))) as u8;
            out.iter_mut().zip(from..).for_each(|(out, at)| *out = byte(at));
            Ok::<(), Infallible>(())
        };
        let Ok(()) = gather(view.clone(), unit, &mut Vec::new(), &mut out, read);
        let number = |unit: &[u8]| unit.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        (out.chunks_exact(unit).map(number).collect(), reads.into_inner())
    }

    #[test]
    fn units_come_in_the_order_of_the_view_with_few_reads() {
        let matrix = || View::of(&[64, 48]);
        // A view, the most reads it may take.
        let cases = [
            (matrix(), 1),
            (View::of(&[]), 1),
            (matrix().slice(0, 3..4), 1),
            (matrix().split(0, &[2, 2, 16]).swap(1, 2), 1),
            (matrix().every(0, 2, 1), 1),
            (matrix().every(0, 3, 1), 21),
            (matrix().swap(0, 1), 1),
            (matrix().swap(0, 1).slice(0, 8..24), 64),
            (matrix().slice(1, 7..8), 64),
            (View::of(&[4, 6, 10]).swap(1, 2).every(1, 2, 0), 1),
        ];
        for (view, most) in cases {
            for unit in [2, 3, 4, 16] {
                let (found, reads) = gathered(&view, unit);
                assert_eq!(found, view.offsets().collect::<Vec<_>>(), "{view:?}");
                assert!(reads <= most, "{reads} reads for {view:?}");
            }
        }
    }
}
