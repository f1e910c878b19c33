//! Leaving out weights on every device of this machine, against the same on the processor.

mod common;

use common::devices::devices;
use common::grams::{gram, noise};
use std::sync::Arc;
use tuck::feedback::{self, Hessian};
use tuck::gpu::Checks;
use tuck::gpu::feedback::Runner;
use tuck::gpu::forward::Multiply;
use tuck::prune::{Limit, Pattern, Scope, keep_groups, scores, sparsegpt};

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

const PATTERNS: &[Pattern] = &[
    Pattern::Share(0.5),
    Pattern::Share(0.031),
    Pattern::Groups { kept: 2, of: 4 },
    Pattern::Groups { kept: 4, of: 8 },
    Pattern::Groups { kept: 1, of: 16 },
];

/// The processor's.
fn twin(weights: &[f32], columns: usize, factors: Option<&[f32]>, pattern: Pattern, scope: Scope) -> Vec<f32> {
    let scores = scores(weights, columns, factors);
    let mut kept = vec![true; weights.len()];
    match pattern {
        Pattern::Share(_) => {
            let limits = Limit::of_rows(&scores, columns, pattern, scope);
            let rows = scores.chunks(columns).zip(kept.chunks_mut(columns)).zip(limits);
            rows.for_each(|((scores, kept), limit)| limit.keep(scores, kept));
        }
        Pattern::Groups { of, .. } => {
            for (scores, kept) in scores.chunks(columns).zip(kept.chunks_mut(columns)) {
                let groups = scores.chunks(of).zip(kept.chunks_mut(of));
                groups.for_each(|(scores, kept)| keep_groups(scores, pattern.count(scores.len()), kept));
            }
        }
    }
    weights.iter().zip(kept).map(|(weight, kept)| if kept { *weight } else { 0.0 }).collect()
}

/// Weight by weight the same, with ties, lengths that are no multiple of anything, and what is not finite.
#[test]
fn masks_are_those_of_the_processor() {
    let patterns = PATTERNS.iter().copied().chain([Pattern::Groups { kept: 3, of: 5 }]);
    for device in devices() {
        let mut runner = Runner::with(&device, Some(1 << 28), Multiply::best(&device), Checks::On).unwrap();
        for (rows, columns) in [(1, 7), (5, 64), (33, 320), (3, 1000)] {
            let mut weights = noise(rows * columns, 9);
            // Numbers of few digits are often equal.
            weights.iter_mut().step_by(2).for_each(|weight| *weight = (*weight * 8.0).round() / 8.0);
            weights[0] = f32::NAN;
            weights[rows * columns / 2] = f32::INFINITY;
            let factors: Vec<f32> = noise(columns, 10).iter().map(|x| x.abs()).collect();
            for pattern in patterns.clone() {
                for (factors, scope) in
                    [(None, Scope::Row), (Some(&factors[..]), Scope::Row), (Some(&factors[..]), Scope::Layer)]
                {
                    let mut found = weights.clone();
                    runner.sparsify(&mut found, columns, factors, pattern, scope).unwrap();
                    let expected = twin(&weights, columns, factors, pattern, scope);
                    let bits = |weights: &[f32]| weights.iter().map(|weight| weight.to_bits()).collect::<Vec<u32>>();
                    assert_eq!(bits(&found), bits(&expected), "{rows} x {columns}, {pattern} of each {}", scope.name());
                }
            }
        }
    }
}

/// What makes good is as good, and as many go of every group and row.
#[test]
fn what_makes_good_is_as_good_as_the_processors() {
    for device in devices() {
        let mut runner = Runner::with(&device, Some(1 << 28), Multiply::best(&device), Checks::On).unwrap();
        for (rows, columns) in [(40, 512), (6, 288)] {
            let gram = gram(columns, 1);
            let hessian = Arc::new(Hessian::new(&gram, columns, 0.01, GO_ON).unwrap().unwrap());
            let weights = noise(rows * columns, 4);
            for (pattern, scope) in
                PATTERNS.iter().flat_map(|pattern| [(*pattern, Scope::Row), (*pattern, Scope::Layer)])
            {
                let (mut found, mut expected) = (weights.clone(), weights.clone());
                runner.sparsegpt(&mut found, &hessian, pattern, scope, GO_ON).unwrap().unwrap();
                sparsegpt(&mut expected, &hessian, pattern, scope, GO_ON).unwrap();
                let cost = |pruned: &[f32]| {
                    let errors: Vec<f32> = pruned.iter().zip(&weights).map(|(a, b)| a - b).collect();
                    feedback::quadratic(&errors, &gram, columns)
                };
                let (own, other) = (cost(&found), cost(&expected));
                let gone = |weights: &[f32]| weights.iter().filter(|weight| **weight == 0.0).count();
                let what = format!("{rows} x {columns}, {pattern} of each {} on {}", scope.name(), runner.name());
                assert_eq!(gone(&found), gone(&expected), "{what}");
                assert!((own / other - 1.0).abs() < 2e-3, "{what}: {own}, and the processor has {other}");
                let same = found.iter().zip(&expected).filter(|(a, b)| (**a == 0.0) == (**b == 0.0)).count();
                assert!(same as f64 > 0.999 * found.len() as f64, "{what}: {same} of {} are alike", found.len());
                if let Pattern::Groups { of, .. } = pattern {
                    assert!(found.chunks(of).all(|group| gone(group) == pattern.count(of)), "{what}");
                }
            }
        }
        assert!(
            runner
                .sparsegpt(
                    &mut [1.0; 288],
                    &Arc::new(Hessian::new(&gram(288, 1), 288, 0.01, GO_ON).unwrap().unwrap()),
                    PATTERNS[0],
                    Scope::Row,
                    &|| true
                )
                .unwrap()
                .is_none()
        );
    }
}
