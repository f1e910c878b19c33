//! Filling what is left between two points of the curve, to the byte.
//!
//! At the slope λ of the next step, the choices that were made minimise `loss + λ bytes`. Another choice of an item has an
//! excess over that, and so has a set of other choices, whose excesses add up. A set that fits before the next point and
//! loses less than the choices that were made has an excess below the gain of that step; so few items come into question. What
//! a budget gets is the best of one list of sets that does not depend on the budget, which is why more bytes never lose more.

use super::Choice;
use super::hull::Step;

/// Items that are looked at, those with the smallest excess.
const ITEMS: usize = 64;
/// Sets that are kept.
const SETS: usize = 1024;

/// Another choice of an item, or a set of them.
#[derive(Clone, Copy)]
struct Change {
    /// What it takes more, or less.
    bytes: i64,
    /// What it loses more, or less.
    loss: f64,
    /// Never below 0, but for rounding.
    excess: f64,
}

/// Other choices of some items.
#[derive(Clone, Copy)]
struct Set {
    change: Change,
    /// The set it was made of, and what was added: an item and its choice.
    made: Option<(usize, usize, usize)>,
}

/// Changes `choices`, after which `next` is the step of the curve, to those that lose least with at most `room` bytes more.
pub(super) fn fill(items: &[Vec<Choice>], choices: &mut [usize], next: &Step, room: u64) {
    let mut sets = vec![Set { change: Change { bytes: 0, loss: 0.0, excess: 0.0 }, made: None }];
    // Those worth going on with, as places in the list: bytes rise, losses fall.
    let mut front = vec![0];
    for (item, options) in core(items, choices, next) {
        let mut grown = front.clone();
        for from in front {
            for (choice, option) in &options {
                let own = sets[from].change;
                let change = Change {
                    bytes: own.bytes + option.bytes,
                    loss: own.loss + option.loss,
                    excess: own.excess + option.excess,
                };
                if change.excess < next.gain {
                    grown.push(sets.len());
                    sets.push(Set { change, made: Some((from, item, *choice)) });
                }
            }
        }
        front = best(&sets, grown);
    }
    let fits = |at: &&usize| sets[**at].change.bytes <= room as i64;
    let mut at = front.iter().rev().find(fits).copied().unwrap_or(0);
    if sets[at].change.loss >= 0.0 {
        return;
    }
    while let Some((from, item, choice)) = sets[at].made {
        choices[item] = choice;
        at = from;
    }
}

/// The items that come into question, with the changes that do; the smallest excess first.
fn core(items: &[Vec<Choice>], choices: &[usize], next: &Step) -> Vec<(usize, Vec<(usize, Change)>)> {
    let slope = next.slope();
    let mut core = Vec::new();
    for (item, (options, chosen)) in items.iter().zip(choices).enumerate() {
        let own = options[*chosen];
        let change = |option: &Choice| {
            let (bytes, loss) = (option.bytes as i64 - own.bytes as i64, option.loss - own.loss);
            Change { bytes, loss, excess: (loss + slope * bytes as f64).max(0.0) }
        };
        let options = options.iter().map(change).enumerate();
        let options: Vec<(usize, Change)> =
            options.filter(|(choice, change)| choice != chosen && change.excess < next.gain).collect();
        if !options.is_empty() {
            core.push((item, options));
        }
    }
    let least = |options: &[(usize, Change)]| options.iter().map(|(_, change)| change.excess).fold(f64::MAX, f64::min);
    core.sort_by(|(_, a), (_, b)| least(a).total_cmp(&least(b)));
    core.truncate(ITEMS);
    core
}

/// The sets of which no other takes and loses less; of many, those with the smallest excess.
fn best(sets: &[Set], mut front: Vec<usize>) -> Vec<usize> {
    let change = |at: &usize| sets[*at].change;
    front.sort_by(|a, b| change(a).bytes.cmp(&change(b).bytes).then(change(a).loss.total_cmp(&change(b).loss)));
    let mut least = f64::MAX;
    front.retain(|at| {
        let is_less = change(at).loss < least;
        least = least.min(change(at).loss);
        is_less
    });
    if front.len() > SETS {
        front.sort_by(|a, b| change(a).excess.total_cmp(&change(b).excess));
        front.truncate(SETS);
        front.sort_by_key(|at| change(at).bytes);
    }
    front
}
