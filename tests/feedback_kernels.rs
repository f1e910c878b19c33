//! Error feedback and coordinate descent on every device of this machine, against the same on the processor.

mod common;

use common::devices::devices;
use common::grams::{costs, gram, noise};
use std::sync::Arc;
use tuck::feedback::{self, Costs, Hessian};
use tuck::gpu::Checks;
use tuck::gpu::feedback::Runner;
use tuck::gpu::forward::Multiply;
use tuck::graph::RunError;
use tuck::quant::{FORMATS, FormatRef, IQ3_S, IQ4_NL, PARTS, Q4_K, Q5_1, Q6_K};

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

/// How far a sum of costs may be from that of the processor, beside what is chance: sums are rounded otherwise, so that of two
/// blocks that are as good as each other the other may be chosen, and then those after it differ.
const CLOSE: f64 = 1e-4;

/// Weights, and what is known of their inputs.
struct Case {
    columns: usize,
    weights: Vec<f32>,
    gram: Vec<f32>,
    hessian: Arc<Hessian>,
}

impl Case {
    fn new(rows: usize, columns: usize) -> Self {
        let gram = gram(columns, 1);
        let hessian = Hessian::new(&gram, columns, 0.01, GO_ON).unwrap().unwrap();
        Self { columns, weights: noise(rows * columns, 4), gram, hessian: Arc::new(hessian) }
    }

    fn on(&self, runner: &mut Runner, format: FormatRef, sweeps: usize) -> (Vec<u8>, Costs) {
        let mut blocks = vec![0; format.bytes(self.weights.len() as u64) as usize];
        let costs = runner.quantize(&self.weights, &self.hessian, format, sweeps, GO_ON, &mut blocks);
        (blocks, costs.unwrap().unwrap())
    }

    /// The costs of all rows by the processor, and how far they are from those of these blocks, but for chance.
    fn distance(&self, format: FormatRef, sweeps: usize, blocks: &[u8]) -> (f64, f64) {
        let mut twin = vec![0; blocks.len()];
        feedback::quantize(&self.weights, &self.hessian, format, sweeps, GO_ON, &mut twin).unwrap();
        let costs = |blocks: &[u8]| costs(&self.weights, format, blocks, &self.gram, self.columns);
        let (found, expected) = (costs(blocks), costs(&twin));
        let differences = || found.iter().zip(&expected).map(|(found, expected)| found - expected);
        let chance = 3.0 * differences().map(|d| d * d).sum::<f64>().sqrt();
        let sum: f64 = expected.iter().sum();
        (sum, (differences().sum::<f64>().abs() - chance).max(0.0) / sum)
    }
}

fn check(formats: impl Iterator<Item = FormatRef>, sweeps: usize, checks: Checks) {
    let formats: Vec<FormatRef> = formats.collect();
    // The second ends in narrow blocks.
    let cases = [Case::new(40, 512), Case::new(40, 288)];
    for device in devices() {
        let mut runner = Runner::with(&device, Some(1 << 28), Multiply::best(&device), checks).unwrap();
        for &format in &formats {
            let case = &cases[usize::from(format.divides(288))];
            let (blocks, found) = case.on(&mut runner, format, sweeps);
            let (expected, distance) = case.distance(format, sweeps, &blocks);
            let what = format!("{format} on {}", runner.name());
            assert!(distance < CLOSE, "{what}: {found:?}, and the processor has {expected}, {distance} apart");
            let last = *found.sweeps.last().unwrap();
            assert!((last / expected - 1.0).abs() < 0.01, "{what}: {found:?}, and the processor has {expected}");
            let own: f64 = costs(&case.weights, format, &blocks, &case.gram, case.columns).iter().sum();
            assert!((last / own - 1.0).abs() < CLOSE, "{what}: {last} was told, and {own} it is");
            for pair in found.sweeps.windows(2) {
                assert!(pair[1] <= pair[0] * (1.0 + 1e-6), "{what}: {} to {}", pair[0], pair[1]);
            }
            assert!(last <= found.searched.min(found.carried) * (1.0 + 1e-6), "{what}: {found:?}");
        }
    }
}

#[test]
fn blocks_that_come_apart_are_as_good_as_the_processors() {
    check(PARTS.iter().map(|parts| parts.format), 3, Checks::Off);
}

#[test]
fn other_blocks_are_as_good_as_the_processors() {
    let has_parts = |format: FormatRef| PARTS.iter().any(|parts| parts.format == format);
    let others = FORMATS.iter().copied().filter(|format| feedback::supports(format) && !has_parts(format));
    check(others, 0, Checks::Off);
}

#[test]
fn nothing_is_out_of_bounds() {
    check([&Q6_K, &Q5_1, &IQ4_NL].into_iter(), 2, Checks::On);
}

#[test]
fn every_run_gives_the_same_in_whatever_memory() {
    let case = Case::new(70, 512);
    for device in devices() {
        let runner = |memory| Runner::with(&device, Some(memory), Multiply::best(&device), Checks::Off).unwrap();
        let (mut much, mut little) = (runner(1 << 28), runner(3 << 19));
        for format in [&Q4_K, &IQ3_S] {
            let (blocks, costs) = case.on(&mut much, format, 2);
            assert!(case.on(&mut much, format, 2) == (blocks.clone(), costs), "{format}, again");
            assert!(case.on(&mut little, format, 2).0 == blocks, "{format}, in parts, with a Gram matrix in parts");
        }
    }
}

#[test]
fn what_cannot_be_is_told() {
    let case = Case::new(2, 512);
    for device in devices() {
        let mut runner = Runner::new(&device, Some(1 << 10)).unwrap();
        let mut blocks = vec![0; Q4_K.bytes(1024) as usize];
        let found = runner.quantize(&case.weights, &case.hessian, &Q4_K, 1, GO_ON, &mut blocks);
        assert!(matches!(found, Err(RunError::OutOfMemory { .. })), "{found:?}");
        let mut runner = Runner::new(&device, None).unwrap();
        let found = runner.quantize(&case.weights, &case.hessian, &Q4_K, 1, &|| true, &mut blocks);
        assert!(matches!(found, Ok(None)), "{found:?}");
    }
}
