//! Strided views: some of a stored tensor's weights, in another order.
//!
//! Everything a converter does to the order of weights is one: cutting a fused projection apart, taking every other
//! row, rotary rows from halves to pairs, transposing. A view is plain data; reading through it is the engine's.

use std::ops::Range;

/// One loop of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// How many steps.
    pub count: u64,
    /// From one step to the next, in units of the stored tensor.
    pub stride: u64,
}

/// Units of a stored tensor in the order in which they are wanted. A unit is a weight, or a block of a format whose
/// weights share a scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The first unit.
    pub start: u64,
    /// The outermost loop first.
    pub axes: Vec<Axis>,
}

impl View {
    /// All of a tensor, whose shape is given outermost first (rows, then columns).
    pub fn of(shape: &[u64]) -> Self {
        let stride = |axis: usize| shape[axis + 1..].iter().product();
        let axes = shape.iter().enumerate().map(|(axis, &count)| Axis { count, stride: stride(axis) });
        Self { start: 0, axes: axes.collect() }
    }

    /// How many units it has.
    pub fn units(&self) -> u64 {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// How many units a stored tensor needs for this view of it.
    pub fn end(&self) -> u64 {
        match self.units() {
            0 => 0,
            _ => self.axes.iter().fold(self.start + 1, |end, axis| end + (axis.count - 1) * axis.stride),
        }
    }

    /// Its units, one after another.
    pub fn offsets(&self) -> impl Iterator<Item = u64> {
        let step = |(at, n): (u64, u64), axis: &Axis| (at + n % axis.count * axis.stride, n / axis.count);
        (0..self.units()).map(move |n| self.axes.iter().rev().fold((self.start, n), step).0)
    }

    /// Takes an axis as several, outermost first; their counts multiplied give its count.
    pub fn split(mut self, axis: usize, counts: &[u64]) -> Self {
        let inner = |n: usize| counts[n + 1..].iter().product::<u64>();
        let stride = self.axes[axis].stride;
        let parts = counts.iter().enumerate().map(|(n, &count)| Axis { count, stride: stride * inner(n) });
        self.axes.splice(axis..=axis, parts.collect::<Vec<_>>());
        self
    }

    /// Exchanges two axes.
    pub fn swap(mut self, a: usize, b: usize) -> Self {
        self.axes.swap(a, b);
        self
    }

    /// Some of an axis.
    pub fn slice(mut self, axis: usize, range: Range<u64>) -> Self {
        let Axis { count, stride } = &mut self.axes[axis];
        self.start += range.start.min(*count) * *stride;
        *count = range.end.min(*count).saturating_sub(range.start);
        self
    }

    /// Every `step`-th of an axis, from `first` on.
    pub fn every(mut self, axis: usize, step: u64, first: u64) -> Self {
        let Axis { count, stride } = &mut self.axes[axis];
        self.start += first * *stride;
        *count = count.saturating_sub(first).div_ceil(step);
        *stride *= step;
        self
    }

    /// The same with as few axes as possible: one where its units lie as they are wanted.
    pub fn merged(mut self) -> Self {
        let mut axes: Vec<Axis> = Vec::with_capacity(self.axes.len());
        for axis in self.axes {
            match axes.last_mut() {
                _ if axis.count == 1 => {}
                Some(outer) if outer.stride == axis.count * axis.stride => {
                    *outer = Axis { count: outer.count * axis.count, stride: axis.stride };
                }
                _ => axes.push(axis),
            }
        }
        self.axes = axes;
        self
    }

    /// Some of its units in a row, as views that follow each other: few, and each a box of whole loops.
    pub fn boxes(&self, range: Range<u64>) -> Vec<Self> {
        let mut boxes = Vec::new();
        push_boxes(self.start, &self.axes, range, &mut boxes);
        boxes
    }
}

fn push_boxes(start: u64, axes: &[Axis], range: Range<u64>, out: &mut Vec<View>) {
    if range.is_empty() {
        return;
    }
    let Some((outer, inner)) = axes.split_first() else {
        return out.push(View { start, axes: Vec::new() });
    };
    let step: u64 = inner.iter().map(|axis| axis.count).product();
    let at = |n: u64| start + n * outer.stride;
    let (first, last) = (range.start / step, range.end / step);
    let (before, after) = (range.start % step, range.end % step);
    if first == last {
        return push_boxes(at(first), inner, before..after, out);
    }
    let whole = first + u64::from(before > 0);
    if before > 0 {
        push_boxes(at(first), inner, before..step, out);
    }
    if whole < last {
        let mut axes = vec![Axis { count: last - whole, ..*outer }];
        axes.extend(inner);
        out.push(View { start: at(whole), axes });
    }
    push_boxes(at(last), inner, 0..after, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(view: &View) -> Vec<u64> {
        view.offsets().collect()
    }

    #[test]
    fn views_reorder_as_they_say() {
        let rows = || View::of(&[4, 3]);
        assert_eq!(units(&rows()), (0..12).collect::<Vec<_>>());
        assert_eq!(units(&rows().swap(0, 1)), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
        assert_eq!(units(&rows().slice(0, 1..3)), [3, 4, 5, 6, 7, 8]);
        assert_eq!(units(&rows().every(0, 2, 1)), [3, 4, 5, 9, 10, 11]);
        // Rows of two halves become pairs.
        assert_eq!(units(&rows().split(0, &[1, 2, 2]).swap(1, 2)), [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]);
        assert_eq!(units(&rows().slice(0, 3..9)), [9, 10, 11], "never past the end");
        assert_eq!([rows(), rows().swap(0, 1), rows().every(0, 2, 0)].map(|view| view.end()), [12, 12, 9]);
    }

    #[test]
    fn merging_keeps_the_order() {
        let pairs = View::of(&[8, 3]).split(0, &[2, 2, 2]).swap(1, 2);
        let merged = pairs.clone().merged();
        assert_eq!(units(&pairs), units(&merged));
        assert_eq!(merged.axes.len(), 4);
        let whole = View::of(&[2, 1, 4, 3]).merged();
        assert_eq!(whole.axes, [Axis { count: 24, stride: 1 }]);
        assert_eq!(View::of(&[]).merged().units(), 1, "a single number");
    }

    #[test]
    fn boxes_cover_any_range_in_order() {
        let view = View::of(&[3, 4, 5]).swap(0, 1).every(2, 2, 1);
        let all = units(&view);
        for start in 0..=all.len() {
            for end in start..=all.len() {
                let boxes = view.boxes(start as u64..end as u64);
                let found: Vec<u64> = boxes.iter().flat_map(units).collect();
                assert_eq!(found, all[start..end]);
                assert!(boxes.len() <= 5, "{} boxes", boxes.len());
            }
        }
    }
}
