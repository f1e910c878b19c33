//! What becomes of a product of two factors when the order of its weights changes.
//!
//! A weight of a stored matrix is a row of one factor times a row of the other: `stored[i][j] = sum over k of down[i][k] *
//! across[j][k]`. The axes of a view of that matrix go along i or along j, so what the view makes of it is a product again.

use crate::arch::view::{Axis, View};

/// Some rows of a tensor, as a product.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Product {
    /// Which of the stored matrix's indices the tensor's columns go along: 0 for its rows, 1 for its columns. The tensor's
    /// rows go along the other.
    pub(super) across: usize,
    /// The stored row and column of the first weight.
    pub(super) starts: [u64; 2],
    /// Along the tensor's rows, in steps of the stored matrix's index.
    pub(super) rows: Vec<Axis>,
    /// Along the tensor's columns, in steps of the stored matrix's other index.
    pub(super) columns: Vec<Axis>,
}

impl Product {
    /// How many rows of the tensor it is.
    pub(super) fn height(&self) -> u64 {
        self.rows.iter().map(|axis| axis.count).product()
    }
}

/// Takes a view of a matrix with `stored_columns` apart, which makes rows of `columns` weights: products that follow each
/// other. None where a row of the tensor is no row or column of the matrix.
pub(super) fn separate(view: &View, stored_columns: u64, columns: u64) -> Option<Vec<Product>> {
    let along = |axis: &Axis| {
        let is_row = axis.stride.is_multiple_of(stored_columns);
        let stride = if is_row { axis.stride / stored_columns } else { axis.stride };
        (usize::from(!is_row), Axis { stride, ..*axis })
    };
    let mut axes: Vec<(usize, Axis)> = view.axes.iter().filter(|axis| axis.count != 1).map(along).collect();
    // The innermost axes are the tensor's columns; one that has a single column has none.
    let mut inner = Vec::new();
    while inner.iter().map(|(_, axis): &(usize, Axis)| axis.count).product::<u64>() < columns {
        inner.insert(0, axes.pop()?);
    }
    let across = inner.first().map_or(1, |(side, _)| *side);
    let is_whole = inner.iter().map(|(_, axis)| axis.count).product::<u64>() == columns;
    if !is_whole || inner.iter().any(|(side, _)| *side != across) {
        return None;
    }
    let only = |axes: Vec<(usize, Axis)>| axes.into_iter().map(|(_, axis)| axis).collect::<Vec<_>>();
    let outer = axes.iter().rposition(|(side, _)| *side == across).map_or(0, |last| last + 1);
    let rows = only(axes.split_off(outer));
    let columns = only(inner);
    // What lies around them are matrices of their own.
    let matrices = View { start: 0, axes: axes.iter().map(|(_, axis)| *axis).collect() };
    let product = |nth: u64| {
        let mut starts = [view.start / stored_columns, view.start % stored_columns];
        let mut rest = nth;
        for (side, axis) in axes.iter().rev() {
            starts[*side] += rest % axis.count * axis.stride;
            rest /= axis.count;
        }
        Product { across, starts, rows: rows.clone(), columns: columns.clone() }
    };
    Some((0..matrices.units()).map(product).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored offsets that products stand for, in order.
    fn offsets(products: &[Product], stored_columns: u64) -> Vec<u64> {
        let mut out = Vec::new();
        for Product { across, starts, rows, columns } in products {
            let along = |start: u64, axes: &[Axis]| View { start, axes: axes.to_vec() }.offsets().collect::<Vec<_>>();
            for row in along(starts[1 - across], rows) {
                for column in along(starts[*across], columns) {
                    let [i, j] = if *across == 1 { [row, column] } else { [column, row] };
                    out.push(i * stored_columns + j);
                }
            }
        }
        out
    }

    #[test]
    fn products_stand_for_what_the_view_does() {
        let matrix = || View::of(&[24, 10]);
        let heads = || matrix().split(0, &[4, 6]);
        // A view, the columns of what it makes, how many products that takes.
        let cases = [
            (matrix(), 10, 1),
            (heads().split(1, &[2, 3]).swap(1, 2), 10, 1),
            (matrix().slice(0, 5..9), 10, 1),
            (matrix().every(0, 2, 1), 10, 1),
            (matrix().swap(0, 1), 24, 1),
            (matrix().slice(1, 4..8), 4, 1),
            (heads().slice(1, 0..4).swap(1, 2), 4, 4),
            (heads().slice(1, 4..6), 10, 1),
            (View::of(&[7, 1]), 1, 1),
        ];
        for (view, columns, count) in cases {
            let stored_columns = if view.units() == 7 { 1 } else { 10 };
            let products = separate(&view, stored_columns, columns).unwrap();
            assert_eq!(products.len(), count, "{view:?}");
            assert_eq!(offsets(&products, stored_columns), view.offsets().collect::<Vec<_>>(), "{view:?}");
        }
        assert_eq!(separate(&matrix(), 10, 20), None, "a row of two rows");
        assert_eq!(separate(&matrix(), 10, 7), None, "no whole axis");
    }
}
