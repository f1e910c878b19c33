//! The tensor table's rows: which are shown, in which order.

use super::selection::Selection;
use super::state::Column;
use crate::model::Model;
use crate::recipe::Plan;

/// Filter, order, and the rows that follow.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Part of the names to show, in any case.
    pub filter: String,
    /// Sorted by this.
    pub column: Column,
    /// Largest or last first.
    pub descending: bool,
    /// Indices into [`Model::tensors`].
    pub rows: Vec<usize>,
    /// The rows chosen.
    pub selection: Selection,
    /// Relative error of each tensor; empty before a comparison.
    pub errors: Vec<Option<f64>>,
}

impl Table {
    /// Filters and sorts anew after a change of filter, order or plan.
    pub fn update(&mut self, model: &Model, plan: &Plan) {
        let wanted = self.filter.trim().to_lowercase();
        self.rows =
            (0..model.tensors.len()).filter(|&i| model.tensors[i].name.to_lowercase().contains(&wanted)).collect();
        let tensors = &model.tensors;
        // Stable, so equal rows stay in the model's order.
        match self.column {
            Column::Order => {}
            Column::Name => self.rows.sort_by(|&a, &b| tensors[a].name.cmp(&tensors[b].name)),
            Column::Shape => self.rows.sort_by_key(|&i| tensors[i].weights()),
            Column::Stored => self.rows.sort_by_key(|&i| tensors[i].precision()),
            Column::Planned => self.rows.sort_by_key(|&i| plan.tensors[i].format.name),
            Column::Error => {
                let error = |i: usize| self.errors.get(i).copied().flatten().unwrap_or(-1.0);
                self.rows.sort_by(|&a, &b| error(a).total_cmp(&error(b)));
            }
            Column::Bytes => self.rows.sort_by_key(|&i| plan.tensors[i].bytes),
        }
        if self.descending {
            self.rows.reverse();
        }
        self.selection.retain(&self.rows);
    }

    /// Sorts by a column; by the same again, the other way round; a third time, back to the model's order.
    pub fn sort(&mut self, column: Column) {
        (self.column, self.descending) = match (self.column == column, self.descending) {
            (false, _) => (column, false),
            (true, false) => (column, true),
            (true, true) => (Column::Order, false),
        };
    }
}
