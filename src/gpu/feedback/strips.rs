//! A Hessian on a device, in strips: what belongs to a block of columns is one buffer.

use crate::feedback::{Block, Hessian};
use crate::gpu::forward::device::{Device, View};
use crate::graph::RunError;
use rayon::prelude::*;
use std::sync::{Arc, Weak};

/// The strips of a Hessian. Where they do not all fit, they go there one by one, when they are asked for.
pub(super) struct Strips {
    of: Weak<Hessian>,
    kept: Vec<View>,
    room: Option<View>,
}

/// What belongs to a block of columns. All rows are as long as the block.
pub(super) struct Strip {
    view: View,
    columns: u64,
    pub(super) start: u64,
    pub(super) width: u64,
}

impl Strip {
    /// Where the next columns begin.
    pub(super) fn end(&self) -> u64 {
        self.start + self.width
    }

    /// The block's part of H.
    pub(super) fn own(&self) -> View {
        self.part(self.start, self.width)
    }

    /// The block's columns of H.
    pub(super) fn all(&self) -> View {
        self.part(0, self.columns)
    }

    /// The block's rows of the root in the later columns, transposed.
    pub(super) fn later(&self) -> View {
        self.part(self.columns, self.columns - self.end())
    }

    /// The inverse of the block's part of the root.
    pub(super) fn inverse(&self) -> View {
        self.part(2 * self.columns - self.end(), self.width)
    }

    /// The same transposed.
    pub(super) fn transposed(&self) -> View {
        self.part(2 * self.columns - self.end() + self.width, self.width)
    }

    fn part(&self, row: u64, rows: u64) -> View {
        let bytes = |rows: u64| 4 * rows * self.width;
        View { offset: self.view.offset + bytes(row), bytes: bytes(rows), ..self.view.clone() }
    }
}

/// Numbers of a strip.
fn count(columns: usize, block: &Block) -> usize {
    (2 * columns - block.start + block.width) * block.width
}

/// Bytes of all strips of a Hessian, and of the largest.
pub(super) fn bytes(hessian: &Hessian) -> [u64; 2] {
    let each = hessian.blocks.iter().map(|block| 4 * count(hessian.columns(), block) as u64);
    [each.clone().sum(), each.max().unwrap_or(0)]
}

impl Strips {
    /// Puts them on the device, in so many bytes.
    pub(super) fn new(device: &mut Device, hessian: &Arc<Hessian>, budget: u64) -> Result<Self, RunError> {
        let [all, largest] = bytes(hessian);
        let mut strips = Self { of: Arc::downgrade(hessian), kept: Vec::new(), room: None };
        if all > budget {
            strips.room = Some(device.take(largest));
            return Ok(strips);
        }
        for block in &hessian.blocks {
            let numbers = numbers(hessian, block);
            let view = device.take(size_of_val(&numbers[..]) as u64);
            device.write(&view, &numbers)?;
            strips.kept.push(view);
        }
        Ok(strips)
    }

    /// Whether they are those of this Hessian.
    pub(super) fn are_of(&self, hessian: &Arc<Hessian>) -> bool {
        self.of.as_ptr() == Arc::as_ptr(hessian)
    }

    /// Gives memory back.
    pub(super) fn free(self, device: &mut Device) {
        self.kept.into_iter().chain(self.room).for_each(|view| device.give(view));
    }

    /// That of a block, until the next is asked for.
    pub(super) fn get(&self, device: &mut Device, hessian: &Hessian, number: usize) -> Result<Strip, RunError> {
        let block = &hessian.blocks[number];
        let view = match &self.room {
            None => self.kept[number].clone(),
            Some(room) => {
                device.write(room, &numbers(hessian, block))?;
                room.clone()
            }
        };
        let [columns, start, width] = [hessian.columns(), block.start, block.width].map(|n| n as u64);
        Ok(Strip { view, columns, start, width })
    }
}

/// The numbers of a block's strip.
fn numbers(hessian: &Hessian, block: &Block) -> Vec<f32> {
    let (columns, start, width) = (hessian.columns(), block.start, block.width);
    let mut numbers = vec![0.0; count(columns, block)];
    let (all, rest) = numbers.split_at_mut(columns * width);
    let (later, inverses) = rest.split_at_mut((columns - start - width) * width);
    let (own, transposed) = inverses.split_at_mut(width * width);
    all.par_chunks_mut(width).enumerate().for_each(|(j, row)| {
        row.copy_from_slice(&hessian.matrix[j * columns + start..][..width]);
    });
    later.par_chunks_mut(width).enumerate().for_each(|(j, row)| {
        let column = &hessian.root[start * columns + start + width + j..];
        row.iter_mut().zip(column.iter().step_by(columns)).for_each(|(to, from)| *to = *from);
    });
    own.copy_from_slice(&block.inverse);
    transposed.chunks_mut(width).enumerate().for_each(|(j, row)| {
        row.iter_mut().zip(block.inverse[j..].iter().step_by(width)).for_each(|(to, from)| *to = *from);
    });
    numbers
}
