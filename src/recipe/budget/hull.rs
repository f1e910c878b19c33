//! Lower convex hulls of choices, and the steps along them.

use super::Choice;
use std::cmp::Ordering;

/// From one choice of an item to its next on the hull.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) item: usize,
    /// What the item becomes.
    pub(super) choice: usize,
    /// What that takes more.
    pub(super) bytes: u64,
    /// What that loses less.
    pub(super) gain: f64,
}

impl Step {
    /// λ: what a byte of it gains.
    pub(super) fn slope(&self) -> f64 {
        self.gain / self.bytes as f64
    }
}

/// The choices on the lower convex hull, as their numbers; bytes rise, losses fall, and each step gains no more a byte than
/// the one before.
pub(super) fn lower(choices: &[Choice]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..choices.len()).collect();
    let by_bytes = |a: &Choice, b: &Choice| a.bytes.cmp(&b.bytes).then(a.loss.total_cmp(&b.loss));
    order.sort_by(|a, b| by_bytes(&choices[*a], &choices[*b]));
    let mut hull: Vec<usize> = Vec::new();
    for next in order {
        if hull.last().is_some_and(|last| choices[*last].loss <= choices[next].loss) {
            continue;
        }
        while let [.., before, last] = hull[..] {
            if slope(choices, before, last) >= slope(choices, last, next) {
                break;
            }
            hull.pop();
        }
        hull.push(next);
    }
    hull
}

fn slope(choices: &[Choice], from: usize, to: usize) -> f64 {
    step(choices, 0, from, to).slope()
}

fn step(choices: &[Choice], item: usize, from: usize, to: usize) -> Step {
    let (a, b) = (choices[from], choices[to]);
    Step { item, choice: to, bytes: b.bytes - a.bytes, gain: a.loss - b.loss }
}

/// The steps along all hulls, the steepest first; those of an item stay in order.
pub(super) fn steps(items: &[Vec<Choice>], hulls: &[Vec<usize>]) -> Vec<Step> {
    let pairs = hulls.iter().enumerate().flat_map(|(item, hull)| hull.windows(2).map(move |pair| (item, pair)));
    let mut steps: Vec<Step> = pairs.map(|(item, pair)| step(&items[item], item, pair[0], pair[1])).collect();
    // The order of equals stays.
    steps.sort_by(|a, b| b.slope().partial_cmp(&a.slope()).unwrap_or(Ordering::Equal));
    steps
}
