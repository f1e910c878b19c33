//! The least loss that a number of bytes buys: which of its choices each item gets.
//!
//! A multiple-choice knapsack. What each item loses over what it takes has a lower convex hull, and the steps along the hulls of
//! all items, steepest first, are the solutions of `loss + λ bytes` for every λ at once: the [`Curve`], of which a budget
//! finds its place by bisection ([`hull`]). Between two of its points the rest is filled by dynamic programming over the items
//! that lose next to nothing by another choice ([`fill`]; the core of D. Pisinger, "A minimal algorithm for the
//! multiple-choice knapsack problem", 1995). Nothing here knows tensors or formats.

mod fill;
mod hull;

use hull::Step;

/// What an item can become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// What it takes.
    pub bytes: u64,
    /// What it loses: 0 or more, and finite.
    pub loss: f64,
}

/// A sum over all items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What they take.
    pub bytes: u64,
    /// What they lose.
    pub loss: f64,
}

/// A choice for each item.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The number of the choice, by item.
    pub choices: Vec<usize>,
    /// What they take and lose together.
    pub total: Point,
}

/// Every budget's solution.
#[derive(Clone, Debug)]
pub struct Curve {
    items: Vec<Vec<Choice>>,
    /// The smallest choice of each item.
    smallest: Vec<usize>,
    /// From the smallest choices on, the steepest first.
    steps: Vec<Step>,
    /// Before the first step and after each.
    points: Vec<Point>,
}

impl Curve {
    /// Of items, each with at least one choice.
    pub fn new(items: Vec<Vec<Choice>>) -> Self {
        let hulls: Vec<Vec<usize>> = items.iter().map(|choices| hull::lower(choices)).collect();
        let smallest: Vec<usize> = hulls.iter().map(|hull| hull[0]).collect();
        let steps = hull::steps(&items, &hulls);
        let first = total(&items, &smallest);
        let points = std::iter::once(first).chain(steps.iter().scan(first, |point, step| {
            point.bytes += step.bytes;
            point.loss = (point.loss - step.gain).max(0.0);
            Some(*point)
        }));
        let points = points.collect();
        Self { items, smallest, steps, points }
    }

    /// The points of the hull: from the fewest bytes to those at which nothing can be gained any more. Bytes rise, losses fall.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The fewest bytes that there is a solution for.
    pub fn smallest(&self) -> u64 {
        self.points[0].bytes
    }

    /// The solution of least loss in at most so many bytes; none where they are fewer than the smallest. More bytes never lose
    /// more.
    pub fn solve(&self, budget: u64) -> Option<Solution> {
        let taken = self.points.partition_point(|point| point.bytes <= budget).checked_sub(1)?;
        let mut choices = self.smallest.clone();
        self.steps[..taken].iter().for_each(|step| choices[step.item] = step.choice);
        if let Some(next) = self.steps.get(taken) {
            fill::fill(&self.items, &mut choices, next, budget - self.points[taken].bytes);
        }
        let total = total(&self.items, &choices);
        Some(Solution { choices, total })
    }

    /// What a choice for each item takes and loses.
    pub fn total(&self, choices: &[usize]) -> Point {
        total(&self.items, choices)
    }
}

fn total(items: &[Vec<Choice>], choices: &[usize]) -> Point {
    let chosen = || items.iter().zip(choices).map(|(item, choice)| item[*choice]);
    Point { bytes: chosen().map(|choice| choice.bytes).sum(), loss: chosen().map(|choice| choice.loss).sum() }
}

#[cfg(test)]
mod tests;
