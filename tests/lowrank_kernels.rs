//! Singular vectors found on every device of this machine, against those of the processor.

mod common;

use common::devices::devices;
use common::grams::{gram, noise};
use tuck::feedback::Hessian;
use tuck::gpu::Checks;
use tuck::gpu::forward::Multiply;
use tuck::gpu::low_rank::Runner;
use tuck::lowrank::{Host, Leading, leading, orthonormalise};

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

/// How far single precision may bring a figure, in units of the largest: sums are rounded otherwise.
const CLOSE: f64 = 2e-5;

fn runners(checks: Checks) -> Vec<Runner> {
    devices()
        .iter()
        .flat_map(|device| Multiply::of(device).into_iter().map(move |how| (device, how)))
        .filter(|(_, how)| [Multiply::Plain, Multiply::Single].contains(how))
        .map(|(device, how)| Runner::with(device, Some(1 << 28), how, checks).unwrap())
        .collect()
}

/// Singular values, and what the vectors leave of the matrix's columns, are as the processor has them.
fn check(what: &str, found: &Leading, expected: &Leading) {
    assert_eq!(found.values.len(), expected.values.len(), "{what}");
    for (n, (found, other)) in found.values.iter().zip(&expected.values).enumerate() {
        assert!((found - other).abs() < CLOSE * expected.values[0], "{what}: value {n} is {found}, and {other} here");
    }
    // Vectors of like values may be others of the same plane, so planes are compared: by the projection of each vector.
    let rows = expected.left.len() / expected.values.len().max(1);
    for vector in found.left.chunks(rows) {
        let share = |other: &[f32]| vector.iter().zip(other).map(|(a, b)| f64::from(a * b)).sum::<f64>().powi(2);
        let inside: f64 = expected.left.chunks(rows).map(share).sum();
        assert!(inside > 0.999, "{what}: {inside} of a vector is in the plane of the processor's");
    }
}

#[test]
fn every_device_finds_what_the_processor_finds() {
    for checks in [Checks::Off, Checks::On] {
        for mut runner in runners(checks) {
            // Rows and columns that are no fours, blocks that fill all directions, and values that fall.
            for (rows, columns, rank, depth, weighted) in [
                (96, 128, 8, 3, true),
                (70, 45, 37, 1, false),
                (33, 64, 25, 1, true),
                (300, 20, 12, 2, false),
                (5, 8, 3, 1, false),
            ] {
                let mut matrix = noise(rows * columns, 3);
                let falls = |n: usize| 1.0 / (1.0 + (n * n) as f32);
                matrix
                    .iter_mut()
                    .enumerate()
                    .for_each(|(n, number)| *number *= falls(n / columns) + falls(n % columns));
                let hessian = weighted.then(|| Hessian::new(&gram(columns, 2), columns, 0.01, GO_ON).unwrap().unwrap());
                let root = hessian.as_ref().map(Hessian::root);
                let expected = leading(&mut Host::new(&matrix, columns, root), rank, depth, GO_ON).unwrap().unwrap();
                assert!(runner.has_room([rows, columns], weighted));
                let found = runner.leading(&matrix, columns, root, rank, depth, GO_ON).unwrap().unwrap();
                check(&format!("{rows} x {columns} on {}", runner.name()), &found, &expected);
            }
        }
    }
}

#[test]
fn rows_become_orthonormal_as_the_processor_makes_them() {
    for mut runner in runners(Checks::On) {
        // More rows than a strip, rows that take several dispatches, a row of one number, a row that is there already, and rows
        // that follow others.
        for (rows, width, first) in [(300, 400, 0), (24, 9000, 0), (1, 1, 0), (7, 64, 0), (40, 130, 25)] {
            let mut expected = noise(rows * width, 5);
            if rows == 7 {
                expected.copy_within(64..128, 320);
            }
            if first > 0 {
                orthonormalise(&mut expected[..first * width], width, 0);
            }
            let mut found = expected.clone();
            orthonormalise(&mut expected, width, first);
            runner.orthonormalise(&mut found, width, first).unwrap();
            let furthest = found.iter().zip(&expected).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
            assert!(furthest < 1e-4, "{rows} x {width} on {}: {furthest}", runner.name());
        }
    }
}

#[test]
fn what_is_too_large_has_no_room_and_a_wish_to_stop_is_heard() {
    let device = &devices()[0];
    let mut runner = Runner::with(device, Some(1 << 20), Multiply::best(device), Checks::Off).unwrap();
    assert!(!runner.has_room([1024, 1024], false));
    assert!(!runner.has_room([8, 1024], true));
    let matrix = noise(64 * 48, 6);
    assert!(runner.leading(&matrix, 48, None, 2, 3, &|| true).unwrap().is_none());
}
