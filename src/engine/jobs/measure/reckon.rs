//! What each tensor causes alone, reckoned from a few measurements instead of one for each tensor: of the tensors of each role
//! (all attn_q, say) quantized together, and of those of each band of layers. A tensor's share follows the root of its error
//! tr(E H Eᵀ), times a factor of its role and one of its band that make all sums come out (iterative proportional fitting;
//! W. E. Deming and F. F. Stephan, 1940). The root is half way between the error and none: within a role errors differ a
//! hundredfold from layer to layer, for so do the residual streams that they are added to, and what they cause far less.

use super::sensitivity::{Setting, sets};
use crate::engine::worker::Stop;
use crate::imatrix::{Alone, Statistics, Tables};

/// Bands of as many layers each.
const BANDS: u64 = 4;
/// Rounds of fitting; it has long settled.
const ROUNDS: usize = 30;

/// Fills in what tensors cause that are `wanted`, by their places in the model's list.
pub(super) fn reckon(setting: Setting<'_, '_>, statistics: &mut Statistics, wanted: &[usize]) -> Result<(), Stop> {
    let Setting { model, plan, text, .. } = setting;
    let layers = model.tensors.iter().filter_map(|tensor| tensor.layer()).max().map_or(1, |last| last + 1);
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    let mut join = |key: String, place: usize| {
        let set = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            keys.push(key);
            all.push(Vec::new());
            keys.len() - 1
        });
        all[set].push(place);
        set
    };
    // The sets of each tensor: one by itself where it is in no layer, otherwise its role and its band.
    let of_tensor = |&place: &usize| {
        let tensor = &model.tensors[place];
        let role = tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map(|(_, role)| role);
        match (role, tensor.layer()) {
            (Some(role), Some(layer)) => {
                (join(format!("role {role}"), place), Some(join(format!("band {}", layer * BANDS / layers), place)))
            }
            _ => (join(format!("tensor {}", tensor.name), place), None),
        }
    };
    let members: Vec<(usize, Option<usize>)> = wanted.iter().map(of_tensor).collect();
    let mut measured = vec![None; all.len()];
    sets(setting, None, &all, &mut |found| {
        found.iter().for_each(|(set, divergence)| measured[*set] = Some(divergence.value));
        Ok(())
    })?;
    let error = |place: usize| {
        let known = statistics.tables.tensors.iter().find(|tensor| tensor.name == model.tensors[place].name)?;
        known.errors[Tables::formats().position(|format| format == plan.tensors[place].format)?]
    };
    let cells: Vec<Cell> = wanted
        .iter()
        .zip(&members)
        .filter_map(|(place, (role, band))| {
            Some(Cell { place: *place, role: *role, band: (*band)?, share: error(*place)?.sqrt() })
        })
        .collect();
    let fitted = fit(cells, &measured.iter().map(|value| value.unwrap_or(0.0)).collect::<Vec<_>>());
    let single = wanted.iter().zip(&members).filter(|(_, (_, band))| band.is_none());
    let single = single.filter_map(|(place, (set, _))| Some((*place, measured[*set]?)));
    for (place, divergence) in fitted.into_iter().map(|cell| (cell.place, cell.share)).chain(single) {
        let (name, format) = (&model.tensors[place].name, plan.tensors[place].format);
        let alone = Alone { divergence, error: 0.0, chunks: text.chunks() as u32, format };
        let known = statistics.tables.tensors.iter_mut().find(|tensor| tensor.name == *name);
        known.into_iter().for_each(|tensor| tensor.reckoned = Some(alone));
    }
    Ok(statistics.save()?)
}

/// A tensor in two sets.
#[derive(Clone, Debug)]
struct Cell {
    place: usize,
    role: usize,
    band: usize,
    /// Of what its sets cause; at first in any unit.
    share: f64,
}

/// The number of one of a tensor's sets.
type SetOf = fn(&Cell) -> usize;

/// Scales shares so that those of each role sum to its total, and those of each band as nearly as that allows.
fn fit(mut cells: Vec<Cell>, totals: &[f64]) -> Vec<Cell> {
    let sum_of = |cells: &[Cell], of: SetOf| {
        let mut sets: Vec<usize> = cells.iter().map(of).collect();
        sets.sort_unstable();
        sets.dedup();
        sets.iter().map(|set| totals[*set]).sum::<f64>()
    };
    let (role, band): (SetOf, SetOf) = (|cell| cell.role, |cell| cell.band);
    let (roles, bands) = (sum_of(&cells, role), sum_of(&cells, band));
    if roles <= 0.0 || bands <= 0.0 {
        return cells;
    }
    // Losses do not quite add up, so both kinds of sets have sums of their own.
    for round in 0..2 * ROUNDS {
        let (of, scale) = if round % 2 == 0 { (band, roles / bands) } else { (role, 1.0) };
        let mut sums = vec![0.0; totals.len()];
        cells.iter().for_each(|cell| sums[of(cell)] += cell.share);
        for cell in &mut cells {
            let sum = sums[of(cell)];
            if sum > 0.0 {
                cell.share *= scale * totals[of(cell)] / sum;
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_what_was_measured() {
        // Two roles by two bands; the true causes are factors times errors.
        let errors = [[1.0, 4.0], [2.0, 0.5]];
        let (by_role, by_band) = ([3.0, 0.5], [2.0, 7.0]);
        let truth = |role: usize, band: usize| errors[role][band] * by_role[role] * by_band[band];
        let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let cell = |(role, band): (usize, usize)| Cell { place: 0, role, band: 2 + band, share: errors[role][band] };
        let sum = |part: fn((usize, usize)) -> usize, of: usize| {
            pairs.into_iter().filter(|pair| part(*pair) == of).map(|(role, band)| truth(role, band)).sum::<f64>()
        };
        let totals = [sum(|pair| pair.0, 0), sum(|pair| pair.0, 1), sum(|pair| pair.1, 0), sum(|pair| pair.1, 1)];
        let fitted = fit(pairs.map(cell).to_vec(), &totals);
        for (cell, (role, band)) in fitted.iter().zip(pairs) {
            assert!((cell.share / truth(role, band) - 1.0).abs() < 1e-6, "{cell:?} {}", truth(role, band));
        }
    }
}
