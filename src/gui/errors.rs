//! How far a file's weights are from the opened model's, arranged for the table and the map.

use crate::engine::{TensorError, VerifyReport};
use crate::model::Model;
use std::collections::HashMap;
use std::sync::Arc;

/// A report, and how its tensors are laid out.
#[derive(Clone, Debug)]
pub struct Errors {
    /// What was measured.
    pub report: Arc<VerifyReport>,
    /// For each tensor of the opened model, its place in the report.
    pub by_tensor: Vec<Option<usize>>,
    /// Tensors outside the layers, then those of the layers. A grid without columns is left out.
    pub grids: Vec<Grid>,
    /// Kinds of tensors without any error, which the grids leave out.
    pub exact: Vec<String>,
    /// What the colours of the map stand for; none where every weight is equal.
    pub scale: Option<Scale>,
}

/// A part of the map: kinds of tensors across, layers down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Kinds of tensors: names without layer and `.weight`.
    pub columns: Vec<String>,
    /// A layer each; one without a number for tensors outside the layers.
    pub rows: Vec<Row>,
}

/// A layer of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub layer: Option<u64>,
    /// For each column, the tensor's place in the report.
    pub cells: Vec<Option<usize>>,
}

/// A range of relative errors, on a logarithmic scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The smallest, where the colours begin.
    pub from: f64,
    /// The largest.
    pub to: f64,
}

impl Errors {
    /// Arranges a report about a file that was compared with `model`.
    pub fn new(model: &Model, report: Arc<VerifyReport>) -> Self {
        let places: HashMap<&str, usize> =
            report.tensors.iter().enumerate().map(|(place, tensor)| (tensor.name.as_str(), place)).collect();
        let by_tensor = model.tensors.iter().map(|tensor| places.get(tensor.name.as_str()).copied()).collect();
        let (grids, exact) = arrange(&report.tensors);
        let scale = Scale::over(report.tensors.iter().map(|tensor| tensor.error.judged().relative_rmse()));
        Self { report, by_tensor, grids, exact, scale }
    }

    /// The error of a tensor of the opened model.
    pub fn of(&self, tensor: usize) -> Option<&TensorError> {
        self.by_tensor.get(tensor).copied().flatten().map(|place| &self.report.tensors[place])
    }
}

/// Layer and kind of a tensor: 3 and `attn_q` of `blk.3.attn_q.weight`.
fn split(name: &str) -> (Option<u64>, &str) {
    let short = name.strip_suffix(".weight").unwrap_or(name);
    let in_layer = short.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    match in_layer.and_then(|(layer, kind)| Some((layer.parse().ok()?, kind))) {
        Some((layer, kind)) => (Some(layer), kind),
        None => (None, short),
    }
}

/// The grids, and the kinds without error.
fn arrange(tensors: &[TensorError]) -> (Vec<Grid>, Vec<String>) {
    let mut exact = Vec::new();
    let mut grids = Vec::new();
    for in_layers in [false, true] {
        let here = tensors.iter().enumerate().map(|(place, tensor)| (place, tensor, split(&tensor.name)));
        let here: Vec<_> = here.filter(|(_, _, (layer, _))| layer.is_some() == in_layers).collect();
        let mut kinds: Vec<(&str, bool)> = Vec::new();
        for (_, tensor, (_, kind)) in &here {
            let differs = tensor.error.plain.difference > 0.0;
            match kinds.iter_mut().find(|(known, _)| known == kind) {
                Some((_, any)) => *any |= differs,
                None => kinds.push((kind, differs)),
            }
        }
        exact.extend(kinds.iter().filter(|(_, differs)| !differs).map(|(kind, _)| (*kind).to_owned()));
        let columns: Vec<&str> = kinds.iter().filter(|(_, differs)| *differs).map(|(kind, _)| *kind).collect();
        let mut rows: Vec<Row> = Vec::new();
        for (place, _, (layer, kind)) in &here {
            let Some(column) = columns.iter().position(|column| column == kind) else { continue };
            if rows.last().is_none_or(|row| row.layer != *layer) {
                rows.push(Row { layer: *layer, cells: vec![None; columns.len()] });
            }
            if let Some(row) = rows.last_mut() {
                row.cells[column] = Some(*place);
            }
        }
        if !columns.is_empty() {
            grids.push(Grid { columns: columns.into_iter().map(str::to_owned).collect(), rows });
        }
    }
    (grids, exact)
}

impl Scale {
    /// Steps of the ends, times powers of ten.
    const STEPS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];

    /// The range from one round number to another that holds all of `errors` that are neither zero nor infinite.
    pub fn over(errors: impl Iterator<Item = f64>) -> Option<Self> {
        let counted: Vec<f64> = errors.filter(|error| error.is_finite() && *error > 0.0).collect();
        let least = counted.iter().copied().reduce(f64::min)?;
        let most = counted.iter().copied().reduce(f64::max)?;
        let unit = |error: f64| 10f64.powi(error.log10().floor() as i32);
        let (below, above) = (unit(least), unit(most));
        let from = Self::STEPS.iter().rev().map(|step| step * below).find(|from| *from <= least)?;
        let to = Self::STEPS.iter().map(|step| step * above).find(|to| *to > most)?;
        Some(Self { from, to })
    }

    /// Where an error lies, from 0 to 1.
    pub fn place(&self, error: f64) -> f32 {
        ((error / self.from).ln() / (self.to / self.from).ln()).clamp(0.0, 1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::WeightError;
    use crate::quant::F32;

    fn tensor(name: &str, difference: f64) -> TensorError {
        let mut error = WeightError::default();
        error.plain.difference = difference;
        error.plain.reference = 1.0;
        TensorError { name: name.to_owned(), shape: vec![1], format: &F32, reference_format: &F32, error }
    }

    #[test]
    fn layers_go_down_and_kinds_across() {
        let tensors = [
            tensor("output_norm.weight", 0.0),
            tensor("token_embd.weight", 1.0),
            tensor("blk.0.attn_norm.weight", 0.0),
            tensor("blk.0.attn_q.weight", 0.0),
            tensor("blk.0.ffn_up.weight", 1.0),
            tensor("blk.11.attn_q.weight", 1.0),
        ];
        let (grids, exact) = arrange(&tensors);
        assert_eq!(exact, ["output_norm", "attn_norm"]);
        let [outside, layers] = &grids[..] else { panic!("{grids:?}") };
        assert_eq!(
            (&outside.columns[..], &outside.rows[0].cells[..]),
            (&["token_embd".to_owned()][..], &[Some(1)][..])
        );
        assert_eq!(layers.columns, ["attn_q", "ffn_up"]);
        assert_eq!(layers.rows[0], Row { layer: Some(0), cells: vec![Some(3), Some(4)] });
        assert_eq!(layers.rows[1], Row { layer: Some(11), cells: vec![Some(5), None] });
        assert_eq!(arrange(&tensors[..1]), (Vec::new(), vec!["output_norm".to_owned()]));
    }

    #[test]
    fn a_scale_ends_at_round_numbers_and_is_never_empty() {
        let over = |errors: &[f64]| Scale::over(errors.iter().copied()).map(|Scale { from, to }| (from, to));
        assert_eq!(over(&[0.0, f64::INFINITY]), None);
        let near = |found: Option<(f64, f64)>, from: f64, to: f64| {
            let (a, b) = found.expect("a scale");
            assert!((a / from - 1.0).abs() < 1e-9 && (b / to - 1.0).abs() < 1e-9, "{a} to {b}");
        };
        near(over(&[0.0, 0.017, 0.071]), 0.01, 0.1);
        near(over(&[0.005]), 0.005, 0.01);
        near(over(&[3.0, 0.3]), 0.2, 5.0);
        let scale = Scale { from: 0.01, to: 1.0 };
        assert_eq!([0.001, 0.01, 0.1, 1.0, f64::INFINITY].map(|e| scale.place(e)), [0.0, 0.0, 0.5, 1.0, 1.0]);
    }
}
