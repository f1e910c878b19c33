//! Leaving out weights on every device of this machine, against the same on the processor.

mod common;

use common::devices::devices;
use common::grams::{gram, noise};
use std::sync::Arc;
use tuck::feedback::{self, Hessian};
use tuck::gpu::Checks;
use tuck::gpu::feedback::Runner;
use tuck::gpu::forward::Multiply;
use tuck::prune::{Pattern, Scope, sparsegpt, sparsify};
use tuck::quant::{IQ3_S, Q3_K, Q4_0, Q4_K, Search};

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

const PATTERNS: &[Pattern] = &[
    Pattern::Share(0.5),
    Pattern::Share(0.031),
    Pattern::Groups { kept: 2, of: 4 },
    Pattern::Groups { kept: 4, of: 8 },
    Pattern::Groups { kept: 1, of: 16 },
];

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
                    let mut expected = weights.clone();
                    sparsify(&mut expected, columns, factors, pattern, scope);
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

/// Zeros stay zeros where a format has them, and rounding is made good together with what went.
#[test]
fn what_goes_and_what_is_rounded_are_made_good_together() {
    let (rows, columns) = (70, 512);
    let gram = gram(columns, 1);
    let hessian = Hessian::new(&gram, columns, 0.01, GO_ON).unwrap().unwrap();
    let weights = noise(rows * columns, 4);
    let cost = |found: &[f32]| {
        let errors: Vec<f32> = found.iter().zip(&weights).map(|(a, b)| a - b).collect();
        feedback::quadratic(&errors, &gram, columns)
    };
    for pattern in [Pattern::Share(0.5), Pattern::Groups { kept: 2, of: 4 }] {
        let mut sparse = weights.clone();
        sparsegpt(&mut sparse, &hessian, pattern, Scope::Row, GO_ON).unwrap();
        for (format, has_zero) in [(&Q3_K, true), (&Q4_0, true), (&Q4_K, false), (&IQ3_S, false)] {
            let read = |blocks: &[u8]| {
                let mut found = vec![0.0; weights.len()];
                (format.dequantize)(blocks, &mut found);
                found
            };
            let mut blocks = vec![0; format.bytes(weights.len() as u64) as usize];
            (format.quantize)(&sparse, Search::default(), &mut blocks);
            let after = cost(&read(&blocks));
            feedback::quantize_sparse(&weights, &sparse, &hessian, format, GO_ON, &mut blocks).unwrap();
            let together = read(&blocks);
            assert!(cost(&together) < 0.97 * after, "{format}, {pattern}: {} and {after}", cost(&together));
            let all_stay = sparse.iter().zip(&together).all(|(sparse, found)| *sparse != 0.0 || *found == 0.0);
            assert_eq!(all_stay, has_zero, "{format}, {pattern}");
        }
    }
    let mut blocks = vec![0; Q3_K.bytes(weights.len() as u64) as usize];
    assert_eq!(feedback::quantize_sparse(&weights, &weights, &hessian, &Q3_K, &|| true, &mut blocks), None);
}
