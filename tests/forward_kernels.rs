//! Every operation of the forward pass on every device of this machine, in every way to multiply that the device has, against
//! the same operation on the processor.

mod common;

use common::devices::devices;
use std::sync::Arc;
use tuck::cache::{BLOCKS, Held, Row};
use tuck::cpu;
use tuck::forward::{
    Activation, Attention, Experts, Gating, Matrices, Matrix, Norm, Op, Pairs, Program, RESIDUAL, Register, Rope, Step,
};
use tuck::gpu::forward::{Multiply, Runner, Stream, Weights};
use tuck::gpu::{Adapter, Checks};
use tuck::quant::{F32, FORMATS, FormatRef, Search};

/// Reproducible numbers between -1 and 1.
fn numbers(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A program of one step with its tensors, over rows that are computed from the residual stream alone.
struct Case {
    name: String,
    program: Program,
    matrices: Matrices,
    tokens: usize,
    chunk: usize,
}

impl Case {
    /// A step that reads registers of these widths, of which the first is the residual stream and each other is made of its
    /// first columns, and that writes `to` columns.
    fn new(name: impl Into<String>, op: Op, from: &[usize], to: usize) -> Self {
        let mut program = Program { widths: from.to_vec(), steps: Vec::new() };
        for (number, width) in from.iter().enumerate().skip(1) {
            assert!(*width <= from[0]);
            let op = Op::Columns { first: from[0] - width, group: from[0] };
            program.steps.push(Step { op, from: vec![RESIDUAL], to: Register(number) });
        }
        program.widths.push(to);
        let registers = (0..from.len()).map(Register).collect();
        program.steps.push(Step { op, from: registers, to: Register(from.len()) });
        Self { name: name.into(), program, matrices: Matrices::new(), tokens: 42, chunk: 21 }
    }

    fn with(mut self, name: &str, format: FormatRef, shape: &[u64]) -> Self {
        let floats = numbers(shape.iter().product::<u64>() as usize, name.len() as u64 + 7);
        let mut bytes = vec![0; format.bytes(floats.len() as u64) as usize];
        (format.quantize)(&floats, Search::default(), &mut bytes);
        self.matrices.insert(name.to_owned(), Matrix { format, shape: shape.to_vec(), bytes });
        self
    }

    fn tokens(self, tokens: usize) -> Self {
        Self { tokens, chunk: tokens, ..self }
    }

    /// The last step changes a register in place.
    fn in_place(mut self) -> Self {
        let step = self.program.steps.last_mut().unwrap();
        step.to = step.from[0];
        self.name += ", in place";
        self
    }

    /// What the last step wrote, from the processor and from a device.
    fn run(&self, runner: &mut Runner) -> (Vec<f32>, Vec<f32>) {
        let wanted = self.program.steps.last().unwrap().to;
        let mut rows = numbers(self.tokens * self.program.widths[0], 3);
        let mut own = rows.clone();
        let on_cpu = cpu::forward::Runner { matrices: &self.matrices, chunk: self.chunk };
        let mut expected = on_cpu.run(&self.program, &mut rows, wanted, &mut |_, _, _| {});
        let mut weights = Weights::default();
        runner.load(&mut weights, &self.program, &self.matrices).unwrap();
        let mut found = runner.run(&weights, &self.program, &mut own, wanted, self.chunk, None).unwrap();
        if wanted == RESIDUAL {
            (expected, found) = (rows, own);
        }
        (expected, found)
    }
}

/// The root of the squared difference by the squared reference.
fn error(expected: &[f32], found: &[f32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let difference: f64 = expected.iter().zip(found).map(|(a, b)| square(a - b)).sum();
    (difference / expected.iter().map(|x| square(*x)).sum::<f64>()).sqrt()
}

fn check(cases: &[Case], ways: fn(&Adapter) -> Vec<Multiply>, checks: Checks) {
    let mut wrong = Vec::new();
    for device in devices() {
        for multiply in ways(&device) {
            let mut runner = Runner::with(&device, Some(1 << 28), multiply, checks).unwrap();
            let is_half = multiply.to_string().contains("f16");
            for case in cases {
                let (expected, found) = case.run(&mut runner);
                let error = error(&expected, &found);
                let most = if is_half { 2e-3 } else { 1e-5 };
                if error.is_nan() || error >= most {
                    wrong.push(format!("{}: {error:.1e} on {}", case.name, runner.name()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn best(device: &Adapter) -> Vec<Multiply> {
    vec![Multiply::best(device)]
}

fn linear(format: FormatRef, tokens: usize) -> Case {
    shaped(format, tokens, [512, 70])
}

fn shaped(format: FormatRef, tokens: usize, shape: [usize; 2]) -> Case {
    let op = Op::Linear { weight: "weight".to_owned(), bias: Some("bias".to_owned()) };
    let [columns, rows] = shape;
    Case::new(format!("{tokens} rows times {format} of {shape:?}"), op, &[columns], rows)
        .with("weight", format, &shape.map(|n| n as u64))
        .with("bias", &F32, &[rows as u64])
        .tokens(tokens)
}

#[test]
fn products_with_every_format() {
    let cases: Vec<Case> =
        FORMATS.iter().flat_map(|format| [1, 4, 7, 150].map(|tokens| linear(format, tokens))).collect();
    check(&cases, best, Checks::Off);
}

#[test]
fn products_in_every_way() {
    let mut cases: Vec<Case> = [1, 8, 9, 300].iter().map(|tokens| linear(&tuck::quant::Q8_0, *tokens)).collect();
    // A row with more parts than a workgroup has lanes, and with a matrix of many rows.
    cases.extend([[8224, 70], [512, 2100]].map(|shape| shaped(&tuck::quant::Q8_0, 1, shape)));
    for (inputs, outputs, tokens) in [(20, 3, 50), (4, 1, 9), (36, 200, 1), (260, 131, 129), (32, 129, 3)] {
        let op = Op::Linear { weight: "weight".to_owned(), bias: None };
        let name = format!("{tokens} rows, {inputs} to {outputs}");
        let shape = [inputs, outputs];
        cases.push(
            Case::new(name, op, &[inputs as usize], outputs as usize).with("weight", &F32, &shape).tokens(tokens),
        );
    }
    for tokens in [3, 42] {
        let op = Op::HeadLinear { weight: "weight".to_owned(), heads: 3 };
        cases.push(Case::new("heads", op, &[96], 60).with("weight", &F32, &[32, 20, 3]).tokens(tokens));
    }
    cases.extend(expert_cases().into_iter().take(2));
    check(&cases, Multiply::of, Checks::Off);
}

fn attention() -> Attention {
    let (scale, window, softcap, alibi) = (0.3, None, None, None);
    Attention { heads: 6, kv_heads: 2, key: 16, value: 8, scale, window, softcap, alibi, sinks: None, held: Held::All }
}

fn attention_cases() -> Vec<Case> {
    let sinks = Some("sinks".to_owned());
    let cases = [
        ("attention", attention()),
        ("a window", Attention { window: Some(5), ..attention() }),
        ("a window of one", Attention { window: Some(1), ..attention() }),
        ("a bound", Attention { softcap: Some(2.0), ..attention() }),
        ("slopes", Attention { alibi: Some(8.0), ..attention() }),
        ("sinks", Attention { sinks: sinks.clone(), ..attention() }),
        ("all of it", Attention { sinks, alibi: Some(8.0), softcap: Some(1.0), window: Some(7), ..attention() }),
        ("wide heads", Attention { heads: 4, kv_heads: 1, key: 80, value: 300, ..attention() }),
    ];
    let case = |(name, how): (&str, Attention)| {
        let [q, k, v] = [how.heads * how.key, how.kv_heads * how.key, how.kv_heads * how.value];
        let to = how.heads * how.value;
        let case = Case::new(name, Op::Attention(how), &[q, k, v], to).with("sinks", &F32, &[6]);
        [1, 40, 101].map(|chunk| Case { chunk, tokens: 2 * chunk, ..clone(&case) })
    };
    cases.map(case).into_iter().flatten().collect()
}

fn clone(case: &Case) -> Case {
    Case {
        name: case.name.clone(),
        program: case.program.clone(),
        matrices: case.matrices.clone(),
        tokens: case.tokens,
        chunk: case.chunk,
    }
}

fn expert_cases() -> Vec<Case> {
    let matrices = ["gates", "ups", "downs"].map(str::to_owned);
    let plain = Experts {
        count: 8,
        used: 3,
        gating: Gating::Softmax,
        bias: None,
        groups: [1, 1],
        normed: false,
        scale: 1.0,
        activation: Activation::Silu,
        matrices,
        biases: [None, None, None],
    };
    let biases = ["gate biases", "up biases", "down biases"].map(|name| Some(name.to_owned()));
    let chosen = Experts { gating: Gating::SoftmaxOfChosen, activation: Activation::ClampedSwiglu, ..plain.clone() };
    let sigmoid = Experts { gating: Gating::Sigmoid, normed: true, scale: 2.5, ..plain.clone() };
    let cases = [
        ("experts", plain.clone()),
        ("experts with biases", Experts { biases, ..chosen }),
        ("experts in groups", Experts { groups: [4, 2], bias: Some("bias".to_owned()), ..sigmoid }),
        ("shares that sum to 1", Experts { normed: true, ..plain }),
    ];
    let case = |(name, how): (&str, Experts)| {
        let case = Case::new(name, Op::Experts(how), &[64, 8], 64)
            .with("gates", &F32, &[64, 32, 8])
            .with("ups", &tuck::quant::Q8_0, &[64, 32, 8])
            .with("downs", &F32, &[32, 64, 8])
            .with("gate biases", &F32, &[32, 8])
            .with("up biases", &F32, &[32, 8])
            .with("down biases", &F32, &[64, 8])
            .with("bias", &F32, &[8]);
        [Case { tokens: 1, chunk: 1, ..clone(&case) }, Case { tokens: 90, chunk: 90, ..case }]
    };
    cases.map(case).into_iter().flatten().collect()
}

fn row_cases() -> Vec<Case> {
    let norm = |norm, width, weight: bool, bias: bool| {
        let named = |there: bool, name: &str| there.then(|| name.to_owned());
        Op::Norm { norm, width, weight: named(weight, "weight"), bias: named(bias, "bias") }
    };
    let (rms, layer) = (Norm::Rms { epsilon: 1e-5 }, Norm::Layer { epsilon: 1e-5 });
    let rope = |pairs, head| {
        let frequencies = Arc::from_iter((0..4).map(|i| 0.7f32.powi(i)));
        Op::Rope { rope: Rope { pairs, frequencies, magnitude: 1.1 }, head }
    };
    let vector = |op, name: &str| Case::new(name, op, &[96], 96).with("weight", &F32, &[96]).with("bias", &F32, &[96]);
    let mut cases = vec![
        vector(norm(rms, 96, true, false), "a norm"),
        vector(norm(layer, 96, true, true), "a norm by variance"),
        vector(norm(rms, 32, true, false), "a norm of heads, each with its factors"),
        vector(norm(layer, 24, false, false), "a bare norm"),
        vector(norm(rms, 96, true, true), "a norm").in_place(),
        Case::new("a norm of heads", norm(rms, 96, true, false), &[192], 192).with("weight", &F32, &[96]),
        vector(rope(Pairs::Neighbours, 12), "neighbours rotate").in_place(),
        vector(rope(Pairs::Halves, 8), "halves rotate").in_place(),
        Case::new("positions", Op::Positions { weight: "table".to_owned() }, &[96], 96)
            .with("table", &F32, &[96, 30])
            .in_place(),
        vector(Op::Temperature { scale: 0.1, every: 4 }, "a temperature").in_place(),
        Case::new("a sum", Op::Add, &[96, 96], 96),
        Case::new("a sum", Op::Add, &[96, 96], 96).in_place(),
        Case::new("shares", Op::Weigh, &[96, 1], 96),
        vector(Op::Scale(0.3), "a multiple").in_place(),
        vector(Op::Softcap(0.4), "a bound").in_place(),
        vector(Op::Softcap(30.0), "a wide bound").in_place(),
        vector(Op::Clamp(0.25), "what is beyond").in_place(),
        Case::new("columns", Op::Columns { first: 5, group: 24 }, &[96], 28),
        Case::new("heads joined", Op::Join { heads: 3 }, &[96, 15], 111),
    ];
    use Activation::{ClampedSwiglu, Gelu, Sigmoid, Silu, SquaredRelu};
    for activation in [Silu, Gelu, SquaredRelu, Sigmoid, ClampedSwiglu] {
        cases.push(vector(Op::Activate(activation), &format!("{activation:?}")));
        cases.push(vector(Op::Activate(activation), &format!("{activation:?}")).in_place());
        cases.push(Case::new(format!("{activation:?} of a gate"), Op::Gate(activation), &[96, 96], 96));
    }
    cases
}

#[test]
fn rows_attention_and_experts() {
    let cases: Vec<Case> = row_cases().into_iter().chain(attention_cases()).chain(expert_cases()).collect();
    check(&cases, best, Checks::Off);
}

/// Every row that a cache keeps, with and without a rotation.
fn kept_rows() -> Vec<Row> {
    let blocks = BLOCKS
        .iter()
        .flat_map(|blocks| [None, Some(64), Some(128)].map(|rotation| Row::Blocks { format: blocks.format, rotation }));
    [Row::F16, Row::Fp8].into_iter().chain(blocks).collect()
}

#[test]
fn what_a_cache_keeps_is_the_same_bit_for_bit() {
    for device in devices() {
        let mut runner = Runner::new(&device, Some(1 << 28)).unwrap();
        for row in kept_rows() {
            let mut case = Case::new(format!("{row:?}"), Op::Keep(row), &[256], 256).in_place();
            // Magnitudes that change from block to block.
            let factors: Vec<u8> = (0..256)
                .flat_map(|n: i32| ((1.3 + n as f32 / 99.0) * 2f32.powi(n / 32 * 3 - 9)).to_le_bytes())
                .collect();
            case.matrices.insert("factors".to_owned(), Matrix { format: &F32, shape: vec![256], bytes: factors });
            let norm = Norm::Rms { epsilon: 1e-5 };
            let weight = Some("factors".to_owned());
            let op = Op::Norm { norm, width: 256, weight, bias: None };
            case.program.steps.insert(0, Step { op, from: vec![RESIDUAL], to: RESIDUAL });
            // Sums of squares come in another order there, so what is kept are the device's own numbers.
            let mut rows = numbers(42 * 256, 3);
            let mut weights = Weights::default();
            runner.load(&mut weights, &case.program, &case.matrices).unwrap();
            let normed = case.program.before(1);
            runner.run(&weights, &normed, &mut rows, RESIDUAL, 21, None).unwrap();
            let keep = Program { steps: case.program.steps[1..].to_vec(), ..case.program.clone() };
            let mut expected = rows.clone();
            let on_cpu = cpu::forward::Runner { matrices: &case.matrices, chunk: 21 };
            on_cpu.run(&keep, &mut expected, RESIDUAL, &mut |_, _, _| {});
            runner.run(&weights, &keep, &mut rows, RESIDUAL, 21, None).unwrap();
            let wrong = rows.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            let first = rows.iter().zip(&expected).find(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(wrong, 0, "{row:?} on {}: {first:?} first", runner.name());
        }
    }
}

#[test]
fn bounds_checks_change_nothing() {
    let cases: Vec<Case> = row_cases().into_iter().chain(attention_cases()).chain(expert_cases()).collect();
    check(&cases, best, Checks::On);
    check(&[linear(&tuck::quant::Q4_K, 3), linear(&tuck::quant::Q6_K, 150)], Multiply::of, Checks::On);
}

#[test]
fn batches_and_panels_change_nothing() {
    let case = Case { tokens: 21 * 40, ..linear(&tuck::quant::Q5_K, 21) };
    for device in devices() {
        let found = [1 << 28, 3 << 20].map(|memory| {
            let mut runner = Runner::with(&device, Some(memory), Multiply::best(&device), Checks::Off).unwrap();
            case.run(&mut runner).1
        });
        assert_eq!(found[0], found[1], "{device}");
        let small = Runner::with(&device, Some(1 << 12), Multiply::best(&device), Checks::Off).unwrap();
        let attention = &attention_cases()[1];
        let refused = small.batch(&Weights::default(), &attention.program, RESIDUAL, 1000).unwrap_err();
        assert!(refused.to_string().contains("--device-memory"), "{refused}");
    }
}

#[test]
fn rows_stay_on_a_device() {
    let case = Case::new("half", Op::Scale(0.5), &[96], 96).in_place();
    let rows = numbers(42 * 96, 3);
    for device in devices() {
        let mut runner = Runner::new(&device, None).unwrap();
        let streams = [0, 1].map(|_| runner.stream(&rows, 96).unwrap());
        assert_eq!(Stream::step(96), 2);
        for tokens in [0..20, 20..42] {
            runner.advance(&Weights::default(), &case.program, (&streams[0], tokens), 1, None).unwrap();
        }
        let halves: Vec<f32> = rows.iter().map(|x| 0.5 * x).collect();
        assert_eq!(runner.rows(&streams[0]).unwrap(), halves, "{device}");
        assert_eq!(runner.rows(&streams[1]).unwrap(), rows, "{device}");
        let [difference, all] = runner.difference(&streams[0], &streams[1]).unwrap();
        let squares: f64 = rows.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        assert!((all / squares - 1.0).abs() < 1e-5 && (4.0 * difference / squares - 1.0).abs() < 1e-5, "{device}");
    }
}

/// In so little memory that rows and sums come in parts.
#[test]
fn sums_of_what_goes_into_matrices_are_those_of_the_processor() {
    let heads = Op::HeadLinear { weight: "weight".to_owned(), heads: 3 };
    let heads = Case::new("heads", heads, &[96], 60).with("weight", &F32, &[32, 20, 3]).tokens(42);
    let wide = Op::Linear { weight: "weight".to_owned(), bias: None };
    let wide = Case::new("wide", wide, &[612], 20).with("weight", &F32, &[612, 20]).tokens(1101);
    let cases: Vec<Case> = expert_cases().into_iter().chain([heads, wide, linear(&F32, 7)]).collect();
    for device in devices() {
        let mut runner = Runner::with(&device, Some(12 << 20), Multiply::best(&device), Checks::On).unwrap();
        for Case { name, program, matrices, tokens, chunk } in &cases {
            let mut expected = std::collections::BTreeMap::new();
            let shared = program.shared_inputs();
            let on_cpu = cpu::forward::Runner { matrices, chunk: *chunk };
            let mut rows = numbers(tokens * program.widths[0], 3);
            let mut own = rows.clone();
            on_cpu.run(program, &mut rows, RESIDUAL, &mut |name, expert, rows| {
                if !shared.iter().any(|(matrix, owner)| matrix == name && owner == name) {
                    return;
                }
                let shape = &matrices[name].shape;
                let (columns, experts) = (shape[0] as usize, shape.get(2).map_or(1, |experts| *experts as usize));
                let zeros = || (vec![0; experts], vec![0.0f32; experts * columns * columns]);
                let (counts, gram) = expected.entry(name.to_owned()).or_insert_with(zeros);
                counts[expert] += (rows.len() / columns) as u64;
                cpu::forward::add_gram(rows, columns, &mut gram[expert * columns * columns..][..columns * columns]);
            });
            let mut weights = Weights::default();
            runner.load(&mut weights, program, matrices).unwrap();
            let mut sums = runner.sums(&weights, program, &|_| true).unwrap();
            runner.run(&weights, program, &mut own, RESIDUAL, *chunk, Some(&mut sums)).unwrap();
            let found = runner.summed(&sums).unwrap();
            assert!(found.keys().eq(expected.keys()), "{name} on {device}");
            for ((matrix, found), (counts, gram)) in found.iter().zip(expected.values()) {
                assert_eq!(&found.counts, counts, "{name}, {matrix} on {device}");
                let columns = matrices[matrix].shape[0] as usize;
                let diagonals = gram.chunks(columns * columns).flat_map(|gram| gram.iter().step_by(columns + 1));
                let diagonals: Vec<f32> = diagonals.copied().collect();
                let errors = [error(&diagonals, &found.squares), error(gram, found.gram.as_ref().unwrap())];
                // What went in may come from a product in half precision.
                let most = if runner.name().contains("f16") { 2e-3 } else { 1e-5 };
                assert!(errors.iter().all(|error| *error < most), "{name}, {matrix} on {device}: {errors:?}");
            }
        }
        let wide = &cases[cases.len() - 2];
        let mut small = Runner::with(&device, Some(1 << 20), Multiply::best(&device), Checks::Off).unwrap();
        let mut weights = Weights::default();
        small.load(&mut weights, &wide.program, &wide.matrices).unwrap();
        let refused =
            small.sums(&weights, &wide.program, &|_| true).err().expect("a Gram matrix of 1.5 MB").to_string();
        assert!(refused.contains("Gram matrix of weight"), "{refused}");
    }
}

#[test]
fn what_the_kernels_cannot_do_is_refused() {
    let op = Op::Linear { weight: "weight".to_owned(), bias: None };
    let odd = Case::new("odd", op, &[6], 3).with("weight", &F32, &[6, 3]);
    let heads = Attention { key: 6, ..attention() };
    let heads = Case::new("odd heads", Op::Attention(heads), &[36, 12, 16], 48);
    for device in devices() {
        let mut runner = Runner::new(&device, None).unwrap();
        for case in [&odd, &heads] {
            let refused = runner.load(&mut Weights::default(), &case.program, &case.matrices).unwrap_err();
            assert!(refused.to_string().contains("a multiple of 4 was expected"), "{refused}");
        }
    }
}
