//! Every kernel against its CPU twin, on every device of this machine: equal bytes where the device is a processor,
//! equal error within a step where it is a GPU, which may contract and approximate.

mod common;

use common::devices::devices;
use tuck::cpu::CpuRunner;
use tuck::gpu::{Checks, GpuRunner};
use tuck::graph::{Recording, RunError, Runner, Slot, SlotSize};
use tuck::quant::{
    BF16, Effort, F16, F32, FORMATS, FormatRef, IQ2_XS, IQ3_S, IQ4_XS, Importance, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Search,
};

const FLOATS: [FormatRef; 3] = [&F32, &F16, &BF16];

/// Runs one conversion of bytes in a slot of a runner.
fn convert(slot: &mut dyn Slot, from: FormatRef, to: FormatRef, bytes: &[u8]) -> Result<Vec<u8>, RunError> {
    convert_with(slot, from, to, bytes, Search::default())
}

/// The same with importance, or with effort.
fn convert_with(
    slot: &mut dyn Slot,
    from: FormatRef,
    to: FormatRef,
    bytes: &[u8],
    how: Search<'_>,
) -> Result<Vec<u8>, RunError> {
    let weights = (bytes.len() / from.block_bytes * from.block_weights) as u64;
    let mut recording = Recording::default();
    let mut read = match how.importance {
        None => recording.read(from, weights),
        Some(Importance { columns, first }) => {
            recording.read_weighted(from, weights, columns.len() as u64, first as u64)
        }
    };
    let write = recording.write(&mut read, to, how.effort);
    let input = slot.input(recording.input_bytes)?;
    input[read.input().start as usize..read.input().end as usize].copy_from_slice(bytes);
    if let Some((factors, importance)) = read.factors().zip(how.importance) {
        let factors = &mut input[factors.start as usize..factors.end as usize];
        factors.copy_from_slice(bytemuck::cast_slice(importance.columns));
    }
    slot.submit(&recording)?;
    Ok(slot.output()?[write.start as usize..write.end as usize].to_vec())
}

/// A fast search with importance.
fn weighted(importance: Importance<'_>) -> Search<'_> {
    Search { importance: Some(importance), ..Search::default() }
}

fn slot(runner: &dyn Runner, bytes: u64) -> Box<dyn Slot> {
    runner.slot(SlotSize { input: bytes, scratch: bytes, output: bytes }).unwrap()
}

/// A generator of reproducible words.
fn words(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}

/// Bell-shaped weights with outliers, magnitudes changing from block to block.
fn bells(count: usize, seed: u64) -> Vec<f32> {
    let mut word = words(seed);
    let mut uniform = || word() as f32 / 4_294_967_296.0 - 0.5;
    let weight = |i: usize| {
        let bell: f32 = (0..6).map(|_| uniform()).sum();
        bell * if i.is_multiple_of(97) { 6.0 } else { 1.0 } * 2f32.powi((i / 32 % 9) as i32 - 6)
    };
    (0..count).map(weight).collect()
}

/// Named weights: random ones, and what breaks naive arithmetic.
fn cases() -> Vec<(&'static str, Vec<f32>)> {
    let fill = |f: fn(usize) -> f32| (0..3 * 256).map(f).collect::<Vec<f32>>();
    let mut word = words(7);
    vec![
        ("nothing", vec![]),
        ("one super-block", bells(256, 1)),
        ("an odd number of blocks", bells(256 * 1001, 2)),
        ("zeros", fill(|_| 0.0)),
        ("negative zeros", fill(|_| -0.0)),
        ("a constant", fill(|_| 0.37)),
        ("a negative constant", fill(|_| -0.37)),
        ("one weight", fill(|i| if i == 300 { -1.5 } else { 0.0 })),
        ("positive", fill(|i| 1.0 + (i % 13) as f32)),
        ("two values", fill(|i| if i % 3 == 0 { 1.0 } else { -1.0 })),
        ("ties", fill(|i| if i % 32 == 0 { 127.0 } else { (i % 251) as f32 - 125.5 })),
        ("subnormals", fill(|i| f32::from_bits(i as u32 * 9001))),
        ("subnormal halves", fill(|i| (i as f32 - 300.0) / 16_777_216.0)),
        ("tiny beside large", fill(|i| if i % 32 == 0 { 3.0 } else { 1e-30 * i as f32 })),
        ("a wide range", fill(|i| 2f32.powi(i as i32 % 60 - 45) * if i % 2 == 0 { 1.0 } else { -1.0 })),
        ("near the largest half", fill(|i| 65_000.0 + i as f32)),
        ("huge", fill(|i| if i % 2 == 0 { 3e38 } else { -1e30 })),
        ("not finite", fill(|i| [f32::NAN, f32::INFINITY, 1.0, f32::NEG_INFINITY, 0.25][i % 5])),
        ("any bits", (0..256 * 37).map(|_| f32::from_bits(word())).collect()),
    ]
}

fn encode(format: FormatRef, weights: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
    (format.quantize)(weights, Search::default(), &mut bytes);
    bytes
}

fn decode(format: FormatRef, bytes: &[u8]) -> Vec<f32> {
    let mut weights = vec![0.0; bytes.len() / format.block_bytes * format.block_weights];
    (format.dequantize)(bytes, &mut weights);
    weights
}

/// Compares what a device wrote with what its twin did, and tells every difference when it is dropped.
#[derive(Default)]
struct Verdict {
    differences: Vec<String>,
}

impl Verdict {
    /// Equal bytes, but that one NaN is as good as another.
    fn equal(&mut self, to: FormatRef, ours: &[u8], theirs: &[u8], what: &str) {
        let nan = |bytes: &[u8]| decode(to, bytes).iter().all(|w| w.is_nan());
        let blocks = || ours.chunks(to.block_bytes).zip(theirs.chunks(to.block_bytes));
        let differ = |(a, b): &(&[u8], &[u8])| a != b && !(nan(a) && nan(b));
        let count = blocks().filter(differ).count();
        if let Some((a, b)) = blocks().find(differ) {
            self.differences.push(format!("{what}: {count} blocks, first\n  GPU {a:02x?}\n  CPU {b:02x?}"));
        } else if ours.len() != theirs.len() {
            self.differences.push(format!("{what}: {} bytes, {} on the CPU", ours.len(), theirs.len()));
        }
    }
}

impl Drop for Verdict {
    fn drop(&mut self) {
        let count = self.differences.len();
        assert!(count == 0 || std::thread::panicking(), "{count} differences:\n{}", self.differences.join("\n"));
    }
}

fn quantizes_as_its_twin(checks: Checks) {
    let mut verdict = Verdict::default();
    let cpu = CpuRunner::new(2);
    let mut twin = slot(&cpu, 1 << 21);
    for device in devices() {
        let runner = GpuRunner::with_checks(&device, checks).unwrap();
        let mut slot = slot(&runner, 1 << 21);
        for &to in FORMATS {
            for source in FLOATS {
                for (name, weights) in cases() {
                    let what = format!("{name}, {source} to {to} on {device}");
                    let bytes = encode(source, &weights);
                    let ours = convert(&mut *slot, source, to, &bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
                    let theirs = convert(&mut *twin, source, to, &bytes).unwrap();
                    verdict.equal(to, &ours, &theirs, &what);
                }
            }
        }
    }
}

#[test]
fn every_quantizer_equals_its_twin() {
    quantizes_as_its_twin(Checks::Off);
}

#[test]
fn bounds_checks_change_nothing() {
    quantizes_as_its_twin(Checks::On);
}

/// Factors of every magnitude, and what is no factor at all.
fn factors(count: usize, seed: u64) -> Vec<f32> {
    let mut word = words(seed);
    let mut factor = |i: usize| match i % 61 {
        7 => 0.0,
        19 => [f32::NAN, f32::INFINITY, -1.0, 1e-30, 1e30][i / 61 % 5],
        _ => 2f32.powf(word() as f32 / 4e8 - 5.0),
    };
    (0..count).map(&mut factor).collect()
}

#[test]
fn every_weighted_quantizer_equals_its_twin() {
    let mut verdict = Verdict::default();
    let cpu = CpuRunner::new(2);
    let mut twin = slot(&cpu, 1 << 21);
    let columns = [factors(768, 21), factors(256, 22)];
    for device in devices() {
        let runner = GpuRunner::new(&device).unwrap();
        let mut slot = slot(&runner, 1 << 21);
        for &to in FORMATS {
            for (columns, first) in [(&columns[0], 256), (&columns[1], 0)] {
                for (name, weights) in cases() {
                    let what = format!("{name}, with importance, to {to} on {device}");
                    let (bytes, importance) = (encode(&F32, &weights), Importance { columns, first });
                    let ours = convert_with(&mut *slot, &F32, to, &bytes, weighted(importance));
                    let ours = ours.unwrap_or_else(|e| panic!("{what}: {e}"));
                    let theirs = convert_with(&mut *twin, &F32, to, &bytes, weighted(importance)).unwrap();
                    verdict.equal(to, &ours, &theirs, &what);
                }
            }
        }
    }
}

/// Formats whose search can take its time: of the grids one of even signs and one of free ones.
const SEARCHED: [FormatRef; 8] = [&Q2_K, &Q3_K, &Q4_K, &Q5_K, &Q6_K, &IQ4_XS, &IQ2_XS, &IQ3_S];

#[test]
fn every_longer_search_equals_its_twin() {
    let mut verdict = Verdict::default();
    let cpu = CpuRunner::new(2);
    let mut twin = slot(&cpu, 1 << 18);
    let columns = factors(768, 24);
    let importance = Some(Importance { columns: &columns, first: 256 });
    let (fast, best) = (Search::default(), Search { effort: Effort::Best, ..Search::default() });
    let mut cases = cases();
    cases.retain(|(_, weights)| (1..=256 * 37).contains(&weights.len()));
    cases.push(("many blocks", bells(256 * 65, 25)));
    for device in devices() {
        let runners = [Checks::Off, Checks::On].map(|checks| GpuRunner::with_checks(&device, checks).unwrap());
        let [mut slot, mut checked] = runners.each_ref().map(|runner| slot(runner, 1 << 18));
        for to in SEARCHED {
            for (name, weights) in &cases {
                let what = format!("{name} to {to} on {device}");
                let bytes = encode(&F32, weights);
                let mut run = |slot: &mut dyn Slot, how: Search<'_>| {
                    let ours = convert_with(slot, &F32, to, &bytes, how).unwrap_or_else(|e| panic!("{what}: {e}"));
                    let theirs = convert_with(&mut *twin, &F32, to, &bytes, how).unwrap();
                    verdict.equal(
                        to,
                        &ours,
                        &theirs,
                        &format!("{what}, {:?}, importance {}", how.effort, how.importance.is_some()),
                    );
                    theirs
                };
                let written = [fast, best].map(|how| run(&mut *slot, how));
                assert!(*name != "many blocks" || written[0] != written[1], "{what}: the effort changes nothing");
                // As on a GPU, where compilers have to be kept from fusing.
                run(&mut *checked, Search { importance, ..best });
            }
        }
    }
}

#[test]
fn factors_of_one_change_nothing() {
    let mut verdict = Verdict::default();
    let cpu = CpuRunner::new(2);
    let mut slot = slot(&cpu, 1 << 21);
    // Q4_0 without importance rounds as ggml does instead of searching.
    for &to in FORMATS.iter().filter(|f| f.name != "Q4_0") {
        for (name, weights) in cases() {
            let bytes = encode(&F32, &weights);
            let importance = Importance { columns: &[1.0; 256], first: 0 };
            let weighted = convert_with(&mut *slot, &F32, to, &bytes, weighted(importance)).unwrap();
            let plain = convert(&mut *slot, &F32, to, &bytes).unwrap();
            verdict.equal(to, &weighted, &plain, &format!("{name} to {to}"));
        }
    }
}

#[test]
fn every_dequantizer_equals_its_twin() {
    let mut verdict = Verdict::default();
    let cpu = CpuRunner::new(2);
    let mut twin = slot(&cpu, 1 << 21);
    let mut word = words(11);
    for device in devices() {
        let runner = GpuRunner::new(&device).unwrap();
        let mut slot = slot(&runner, 1 << 21);
        for &from in FORMATS {
            for blocks in [0, 1, 3, 1001] {
                let what = format!("{blocks} blocks of {from} on {device}");
                let bytes: Vec<u8> = (0..blocks * from.block_bytes).map(|_| word() as u8).collect();
                let ours = convert(&mut *slot, from, &F32, &bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
                let theirs = convert(&mut *twin, from, &F32, &bytes).unwrap();
                verdict.equal(&F32, &ours, &theirs, &what);
            }
        }
    }
}

#[test]
fn every_block_count_up_to_a_few_workgroups() {
    let mut verdict = Verdict::default();
    for device in devices() {
        let runner = GpuRunner::new(&device).unwrap();
        let mut slot = slot(&runner, 1 << 20);
        for &to in FORMATS {
            for blocks in (1..=9).chain([63, 64, 65, 127, 128, 129, 255, 257]) {
                let weights = bells(blocks * to.block_weights, blocks as u64);
                let ours = convert(&mut *slot, &F16, to, &encode(&F16, &weights)).unwrap();
                let weights = decode(&F16, &encode(&F16, &weights));
                verdict.equal(to, &ours, &encode(to, &weights), &format!("{blocks} blocks of {to}"));
            }
        }
    }
}

#[test]
fn conversions_side_by_side_do_not_touch_each_other() {
    let mut verdict = Verdict::default();
    // One recording of all conversions among all formats, in ranges that follow one another.
    let weights = bells(256 * 7, 5);
    for device in devices() {
        let run = |runner: &dyn Runner| {
            let mut recording = Recording::default();
            let mut ranges = vec![];
            for &from in FORMATS {
                for &to in FORMATS {
                    ranges.push((from, to, recording.convert(from, to, weights.len() as u64)));
                }
            }
            let size = SlotSize {
                input: recording.input_bytes,
                scratch: recording.scratch_bytes,
                output: recording.output_bytes,
            };
            let mut slot = runner.slot(size).unwrap();
            let input = slot.input(recording.input_bytes).unwrap();
            for (from, _, (read, _)) in &ranges {
                input[read.start as usize..read.end as usize].copy_from_slice(&encode(from, &weights));
            }
            slot.submit(&recording).unwrap();
            let output = slot.output().unwrap();
            ranges
                .into_iter()
                .map(|(from, to, (_, write))| (from, to, output[write.start as usize..write.end as usize].to_vec()))
                .collect::<Vec<_>>()
        };
        let ours = run(&GpuRunner::new(&device).unwrap());
        for ((from, to, ours), (_, _, theirs)) in ours.iter().zip(run(&CpuRunner::new(2))) {
            verdict.equal(to, ours, &theirs, &format!("{from} to {to}"));
        }
    }
}

#[test]
fn more_than_one_dispatch_and_more_than_one_row_of_workgroups() {
    let mut verdict = Verdict::default();
    // 9 M weights are three dispatches on a processor and, as F32 from F16, past 65,535 workgroups nowhere but here.
    let weights = bells(9 << 20, 6);
    // Not a power of two, so that parts begin in the middle of a row.
    let importance = Importance { columns: &factors(256 * 7, 23), first: 512 };
    let bytes = encode(&F16, &weights);
    let weights = decode(&F16, &bytes);
    for device in devices() {
        let runner = GpuRunner::new(&device).unwrap();
        let mut slot = slot(&runner, 40 << 20);
        for to in [&F32, &tuck::quant::Q8_0, &Q4_K] {
            let ours = convert(&mut *slot, &F16, to, &bytes).unwrap();
            verdict.equal(to, &ours, &encode(to, &weights), &format!("9 Mi weights to {to}"));
            let mut expected = vec![0; ours.len()];
            (to.quantize)(&weights, weighted(importance), &mut expected);
            let ours = convert_with(&mut *slot, &F16, to, &bytes, weighted(importance)).unwrap();
            verdict.equal(to, &ours, &expected, &format!("9 Mi weights to {to}, with importance"));
        }
    }
}

#[test]
fn three_slots_in_flight_from_two_threads() {
    let to = &tuck::quant::Q8_0;
    for device in devices() {
        let runner = GpuRunner::new(&device).unwrap();
        let (submitted, take) = std::sync::mpsc::channel::<(usize, Box<dyn Slot>)>();
        let (free, fill) = std::sync::mpsc::channel::<Box<dyn Slot>>();
        for _ in 0..3 {
            free.send(slot(&runner, 1 << 18)).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut verdict = Verdict::default();
                for (round, mut slot) in take {
                    let weights = bells(1 << 15, round as u64);
                    let expected = encode(to, &weights);
                    let ours = slot.output().unwrap()[..expected.len()].to_vec();
                    verdict.equal(to, &ours, &expected, &format!("round {round}"));
                    let _ = free.send(slot);
                }
            });
            let mut recording = Recording::default();
            recording.convert(&F32, to, 1 << 15);
            for round in 0..20 {
                let mut slot = fill.recv().unwrap();
                let bytes = encode(&F32, &bells(1 << 15, round as u64));
                slot.input(recording.input_bytes).unwrap().copy_from_slice(&bytes);
                slot.submit(&recording).unwrap();
                submitted.send((round, slot)).unwrap();
            }
            drop(submitted);
        });
    }
}

#[test]
fn a_lost_device_is_an_error() {
    for device in devices() {
        let runner = GpuRunner::new(&device).unwrap();
        let mut slot = slot(&runner, 1 << 16);
        let bytes = encode(&F32, &bells(1024, 1));
        convert(&mut *slot, &F32, &tuck::quant::Q8_0, &bytes).unwrap();
        runner.lose_device();
        let lost = convert(&mut *slot, &F32, &tuck::quant::Q8_0, &bytes).unwrap_err();
        assert!(matches!(lost, RunError::DeviceLost { .. }), "{lost}");
        let refused = runner.slot(SlotSize { input: 1024, scratch: 0, output: 1024 }).err();
        assert!(matches!(refused, Some(RunError::DeviceLost { .. })), "{refused:?}");
    }
}
