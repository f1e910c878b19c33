//! The curve against every combination, on items that chance made.

use super::*;
use proptest::prelude::*;

/// Sizes of few kinds, as tensors have; losses that mostly fall with them.
fn items(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Choice>>> {
    let item = (1..4u64, 0.01..10.0f64, prop::collection::vec((1..9u64, 0.1..2.0f64), 1..5));
    let choices = |(size, scale, choices): (u64, f64, Vec<(u64, f64)>)| {
        let choice = |(bits, luck): (u64, f64)| Choice {
            bytes: size * bits * 32,
            loss: scale * luck * 0.5f64.powi(bits as i32),
        };
        choices.into_iter().map(choice).collect::<Vec<_>>()
    };
    prop::collection::vec(item.prop_map(choices), count)
}

/// The least loss in a budget, by looking at all.
fn brute(items: &[Vec<Choice>], budget: u64) -> Option<f64> {
    match items {
        [] => Some(0.0),
        [first, rest @ ..] => first
            .iter()
            .filter_map(|choice| Some(choice.loss + brute(rest, budget.checked_sub(choice.bytes)?)?))
            .min_by(f64::total_cmp),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_small_budget_gets_the_best_of_all(items in items(1..6), part in 0.0..1.2f64) {
        let curve = Curve::new(items.clone());
        let most: u64 = items.iter().filter_map(|item| item.iter().map(|choice| choice.bytes).max()).sum();
        let budget = (most as f64 * part) as u64;
        match (curve.solve(budget), brute(&items, budget)) {
            (None, None) => prop_assert!(budget < curve.smallest()),
            (Some(solution), Some(least)) => {
                prop_assert!(solution.total.bytes <= budget);
                prop_assert_eq!(solution.total, curve.total(&solution.choices));
                prop_assert!((solution.total.loss - least).abs() <= 1e-12 * (1.0 + least), "{} {least}", solution.total.loss);
            }
            (found, least) => prop_assert!(false, "{found:?} {least:?}"),
        }
    }

    #[test]
    fn more_bytes_never_lose_more(items in items(20..60), mut parts in prop::collection::vec(0.0..1.0f64, 20)) {
        let curve = Curve::new(items);
        let (first, last) = (curve.points()[0], *curve.points().last().unwrap());
        prop_assert!(curve.points().is_sorted_by(|a, b| a.bytes < b.bytes && a.loss >= b.loss));
        parts.sort_by(f64::total_cmp);
        let mut before = f64::MAX;
        for part in parts {
            let budget = first.bytes + ((last.bytes - first.bytes) as f64 * part) as u64;
            let solution = curve.solve(budget).unwrap();
            prop_assert!(solution.total.bytes <= budget && solution.total.loss <= before + 1e-12);
            before = solution.total.loss;
        }
    }

    #[test]
    fn no_other_recipe_of_the_same_bytes_is_better(items in items(5..30), luck in prop::collection::vec(0..4usize, 30)) {
        let curve = Curve::new(items.clone());
        let other: Vec<usize> = items.iter().zip(&luck).map(|(item, luck)| luck % item.len()).collect();
        let other = curve.total(&other);
        let solution = curve.solve(other.bytes).unwrap();
        prop_assert!(solution.total.bytes <= other.bytes && solution.total.loss <= other.loss + 1e-12);
    }
}

#[test]
fn every_point_of_the_curve_is_its_budgets_solution() {
    let choice = |bytes, loss| Choice { bytes, loss };
    let items = vec![
        vec![choice(64, 4.0), choice(96, 1.0), choice(128, 0.9), choice(64, 5.0)],
        vec![choice(320, 2.0), choice(160, 2.5), choice(640, 0.0)],
    ];
    let curve = Curve::new(items);
    let points: Vec<(u64, f64)> = curve.points().iter().map(|point| (point.bytes, point.loss)).collect();
    assert_eq!(points, [(224, 6.5), (256, 3.5), (736, 1.0), (768, 0.9)]);
    for point in curve.points() {
        let solution = curve.solve(point.bytes).unwrap();
        assert_eq!(solution.total.bytes, point.bytes);
        assert!((solution.total.loss - point.loss).abs() < 1e-12);
    }
    assert!(curve.solve(223).is_none());
    assert_eq!(curve.solve(u64::MAX).unwrap().choices, [2, 2]);
    // 416 bytes do for the second item's middle choice, which is on no hull.
    assert_eq!(curve.solve(416).unwrap().choices, [1, 0]);
}
