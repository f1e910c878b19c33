//! The rows that are chosen in the table of tensors: one by one, as a range, or as a group that belongs together.

use crate::arch::Tensor;
use crate::model::Model;
use crate::recipe::quantizable;
use std::collections::BTreeSet;

/// Chosen tensors. Only those whose type can be changed: no norms, no biases.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Indices into [`Model::tensors`].
    pub tensors: BTreeSet<usize>,
    /// The row clicked last: a range begins there, and groups are those it belongs to.
    pub anchor: Option<usize>,
}

/// A way to choose rows. The numbers are indices into [`Model::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// This one and no other.
    Only(usize),
    /// This one besides the others, or no longer.
    Toggle(usize),
    /// All from the one clicked last to this.
    Through(usize),
    /// This tensor's kind in all layers: every `attn_v`.
    Kind(usize),
    /// All of this tensor's layer.
    Layer(usize),
    /// All that the table shows.
    Shown,
    /// None.
    Nothing,
}

impl Selection {
    /// Chooses rows. `rows` are the tensors that the table shows, in its order.
    pub fn apply(&mut self, select: Select, model: &Model, rows: &[usize]) {
        match select {
            Select::Toggle(index) => {
                if quantizable(&model.tensors[index]) && !self.tensors.remove(&index) {
                    self.tensors.insert(index);
                }
                self.anchor = Some(index);
            }
            Select::Only(index) => {
                self.tensors = members(select, self.anchor, model, rows);
                self.anchor = Some(index);
            }
            Select::Nothing => *self = Self::default(),
            _ => self.tensors = members(select, self.anchor, model, rows),
        }
    }

    /// Drops what the table no longer shows, so that nothing out of sight is changed.
    pub fn retain(&mut self, rows: &[usize]) {
        let shown: BTreeSet<usize> = rows.iter().copied().collect();
        self.tensors.retain(|index| shown.contains(index));
    }
}

/// What is chosen after `select`, for all but [`Select::Toggle`].
pub(super) fn members(select: Select, anchor: Option<usize>, model: &Model, rows: &[usize]) -> BTreeSet<usize> {
    let of = |index: usize| &model.tensors[index];
    let place = |index: usize| rows.iter().position(|row| *row == index);
    let chosen: Vec<usize> = match select {
        Select::Only(index) | Select::Toggle(index) => vec![index],
        Select::Through(index) => match (anchor.and_then(place), place(index)) {
            (Some(from), Some(to)) => rows[from.min(to)..=from.max(to)].to_vec(),
            _ => vec![index],
        },
        Select::Kind(index) => rows.iter().copied().filter(|&row| kind(of(row)) == kind(of(index))).collect(),
        Select::Layer(index) => rows.iter().copied().filter(|&row| of(row).layer() == of(index).layer()).collect(),
        Select::Shown => rows.to_vec(),
        Select::Nothing => Vec::new(),
    };
    chosen.into_iter().filter(|&index| quantizable(of(index))).collect()
}

/// What a tensor is in its layer: `attn_v` of `blk.3.attn_v.weight`.
pub(super) fn kind(tensor: &Tensor) -> &str {
    let name = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
    name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sample() -> Model {
        Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")).unwrap()
    }

    fn index(model: &Model, name: &str) -> usize {
        model.tensors.iter().position(|tensor| tensor.name == name).unwrap()
    }

    #[test]
    fn rows_add_up_and_norms_stay_out() {
        let model = sample();
        let rows: Vec<usize> = (0..model.tensors.len()).collect();
        let [first, norm, last] =
            ["blk.0.attn_k.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.weight"].map(|name| index(&model, name));
        let none: [usize; 0] = [];
        let mut selection = Selection::default();
        let mut apply = |select| {
            selection.apply(select, &model, &rows);
            selection.tensors.iter().copied().collect::<Vec<_>>()
        };
        assert_eq!(apply(Select::Only(first)), [first]);
        assert_eq!(apply(Select::Toggle(norm)), [first]);
        assert_eq!(apply(Select::Toggle(first)), none);
        let range = apply(Select::Through(last));
        assert_eq!(range, [first, index(&model, "blk.0.attn_output.weight"), last]);
        assert_eq!(apply(Select::Only(norm)), none);
        assert_eq!(apply(Select::Kind(first)).len(), 8);
        assert_eq!(apply(Select::Layer(first)).len(), 7);
        assert_eq!(apply(Select::Shown).len(), 57);
        assert_eq!(apply(Select::Nothing), none);
    }

    #[test]
    fn groups_and_changes_stay_among_the_rows_in_sight() {
        let model = sample();
        let rows: Vec<usize> = (0..model.tensors.len()).filter(|&i| model.tensors[i].name.contains("blk.1")).collect();
        let one = index(&model, "blk.1.attn_v.weight");
        let mut selection = Selection::default();
        selection.apply(Select::Kind(one), &model, &rows);
        assert_eq!(selection.tensors, BTreeSet::from([one]));
        selection.tensors.insert(0);
        selection.retain(&rows);
        assert_eq!(selection.tensors, BTreeSet::from([one]));
    }
}
