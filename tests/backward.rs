//! The backward pass: gradients equal central differences, operation by operation.

mod common;

use common::grams::noise;
use proptest::prelude::*;
use tuck::cache::Held;
use tuck::cpu::forward::{Matrices, Matrix, Runner, has_gradient};
use tuck::forward::{Activation, Attention, Experts, Gating, Norm, Op, Pairs, Program, RESIDUAL, Register, Rope, Step};
use tuck::quant::F32;

/// Tokens of a chunk, and of two.
const CHUNK: usize = 9;
const TOKENS: usize = 2 * CHUNK;
/// Half the width of a central difference, relative to the rows.
const STEP: f32 = 1e-2;
/// How far a difference may be from the gradient: what is left of third derivatives, and rounding of f32.
const TOLERANCE: f64 = 0.01;

fn matrix(shape: &[u64], seed: u64) -> Matrix {
    let numbers = noise(shape.iter().product::<u64>() as usize, seed);
    Matrix { format: &F32, shape: shape.to_vec(), bytes: bytemuck::cast_slice(&numbers).to_vec() }
}

/// A product to `inner` numbers for each of the operation's inputs, the operation, and a product back.
fn program(op: Op, inputs: &[usize], output: usize, hidden: usize, in_place: bool) -> (Program, Matrices) {
    let mut program = Program { widths: vec![hidden], steps: Vec::new() };
    let mut matrices = Matrices::new();
    let mut from = Vec::new();
    for (n, width) in inputs.iter().enumerate() {
        let weight = format!("in{n}");
        matrices.insert(weight.clone(), matrix(&[hidden as u64, *width as u64], n as u64));
        program.widths.push(*width);
        let to = Register(program.widths.len() - 1);
        program.steps.push(Step { op: Op::Linear { weight, bias: None }, from: vec![RESIDUAL], to });
        from.push(to);
    }
    let to = if in_place {
        from[0]
    } else {
        program.widths.push(output);
        Register(program.widths.len() - 1)
    };
    program.steps.push(Step { op, from, to });
    matrices.insert("out".into(), matrix(&[output as u64, hidden as u64], 77));
    program.widths.push(hidden);
    let block = Register(program.widths.len() - 1);
    program.steps.push(Step { op: Op::Linear { weight: "out".into(), bias: None }, from: vec![to], to: block });
    program.steps.push(Step { op: Op::Add, from: vec![RESIDUAL, block], to: RESIDUAL });
    (program, matrices)
}

/// Compares the gradient of a weighted sum of what comes out, along itself and along a random direction.
fn check(program: &Program, matrices: &Matrices, chunk: usize, rows: &[f32], seed: u64) -> Result<(), String> {
    let runner = Runner { matrices, chunk };
    let weights = noise(rows.len(), seed);
    let value = |rows: Vec<f32>| -> f64 {
        let mut rows = rows;
        runner.run(program, &mut rows, RESIDUAL, &mut |_, _, _| {});
        rows.iter().zip(&weights).map(|(row, weight)| f64::from(*row) * f64::from(*weight)).sum()
    };
    let mut out = rows.to_vec();
    let (_, tape) = runner.record(program, &mut out, RESIDUAL);
    let gradient = runner.back(program, &tape, RESIDUAL, weights.clone(), &mut |_, _, _| {});
    let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let size = norm(&gradient);
    for (name, direction) in [("itself", gradient.clone()), ("noise", noise(rows.len(), seed + 1))] {
        let unit = (norm(rows) / norm(&direction)) as f32;
        let at = |step: f32| rows.iter().zip(&direction).map(|(x, d)| x + step * unit * d).collect();
        let found = (value(at(STEP)) - value(at(-STEP))) / f64::from(2.0 * STEP * unit);
        let along: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
        let error = (found - along).abs() / (size * norm(&direction));
        if error.is_nan() || error > TOLERANCE {
            return Err(format!("along {name} it rises by {found}, and the gradient says {along}"));
        }
    }
    Ok(())
}

fn activation() -> impl Strategy<Value = Activation> {
    prop::sample::select(vec![
        Activation::Silu,
        Activation::Gelu,
        Activation::SquaredRelu,
        Activation::Sigmoid,
        Activation::ClampedSwiglu,
    ])
}

fn rope(dims: usize, neighbours: bool) -> Rope {
    Rope {
        pairs: if neighbours { Pairs::Neighbours } else { Pairs::Halves },
        frequencies: (0..dims / 2).map(|i| 0.7f32.powi(i as i32)).collect::<Vec<_>>().into(),
        magnitude: 1.2,
    }
}

/// An operation, the widths of its inputs and of its output, whether it changes its input in place, and its tensors.
type Case = (Op, Vec<usize>, usize, bool, Matrices);

/// Any operation, of heads of `2 · half` numbers.
fn case() -> impl Strategy<Value = Case> {
    let sizes = (1usize..4, 1usize..3, 2usize..5, any::<bool>(), any::<bool>(), any::<bool>());
    (0usize..16, sizes, activation()).prop_map(|(kind, (half, groups, heads, a, b, c), activation)| {
        let (head, mut tensors) = (2 * half, Matrices::new());
        let width = heads * head;
        let mut named = |name: &str, shape: &[u64]| {
            tensors.insert(name.to_owned(), matrix(shape, 31));
            name.to_owned()
        };
        let plain = |op: Op| (op, vec![width], width, true);
        let (op, inputs, output, in_place) = match kind {
            0 => plain(Op::Scale(-1.5)),
            1 => plain(Op::Softcap(1.5)),
            2 => plain(Op::Temperature { scale: 0.4, every: 4 }),
            3 => plain(Op::Rope { rope: rope(if b { head } else { 2 }, a), head }),
            4 => plain(Op::Positions { weight: named("table", &[width as u64, CHUNK as u64]) }),
            5 => (Op::Activate(activation), vec![width], width, a),
            6 => (Op::Gate(activation), vec![width, width], width, false),
            7 => (Op::Add, vec![width, width], width, a),
            8 => (Op::Weigh, vec![width, 1], width, a),
            9 => (Op::Columns { first: half, group: head }, vec![width], heads * half, false),
            10 => (Op::Join { heads }, vec![width, heads * 3], heads * (head + 3), false),
            11 => {
                let weight = named("heads", &[head as u64, 5, heads as u64]);
                (Op::HeadLinear { weight, heads }, vec![width], heads * 5, false)
            }
            12 | 13 => {
                // Rows that are nearly 0 would turn sharply with less.
                let epsilon = 0.5;
                let norm = if kind == 12 { Norm::Rms { epsilon } } else { Norm::Layer { epsilon } };
                let own = if a { head } else { width };
                let weight = c.then(|| named("factors", &[if b { own } else { width } as u64]));
                let bias = b.then(|| named("added", &[own as u64]));
                (Op::Norm { norm, width: own, weight, bias }, vec![width], width, false)
            }
            _ => {
                let how = Attention {
                    heads: heads * groups,
                    kv_heads: heads,
                    key: head,
                    value: 3,
                    scale: 0.3,
                    window: a.then_some(4),
                    softcap: b.then_some(2.0),
                    alibi: (kind == 15).then_some(8.0),
                    sinks: c.then(|| named("sinks", &[(heads * groups) as u64])),
                    held: Held::All,
                };
                (Op::Attention(how), vec![groups * width, width, 3 * heads], 3 * heads * groups, false)
            }
        };
        (op, inputs, output, in_place, tensors)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn gradients_of_any_operation_equal_differences((op, inputs, output, in_place, tensors) in case(), seed in 0u64..1000) {
        let hidden = 7;
        let (program, mut matrices) = program(op, &inputs, output, hidden, in_place);
        matrices.extend(tensors);
        prop_assert!(has_gradient(&program).is_ok());
        let rows = noise(TOKENS * hidden, seed);
        let found = check(&program, &matrices, CHUNK, &rows, seed + 5);
        prop_assert!(found.is_ok(), "{}", found.unwrap_err());
    }
}

/// Longer than the queries that are looked at together.
#[test]
fn gradients_of_attention_over_several_blocks_equal_differences() {
    let (chunk, hidden) = (150, 6);
    for window in [None, Some(70)] {
        let how = Attention {
            heads: 4,
            kv_heads: 2,
            key: 4,
            value: 3,
            scale: 0.4,
            window,
            softcap: None,
            alibi: None,
            sinks: None,
            held: Held::All,
        };
        let (program, matrices) = program(Op::Attention(how), &[16, 8, 6], 12, hidden, false);
        check(&program, &matrices, chunk, &noise(2 * chunk * hidden, 4), 9).unwrap();
    }
}

/// What is observed is the gradient by the outputs of that product.
#[test]
fn what_is_observed_is_the_gradient_by_outputs() {
    let (program, matrices) = program(Op::Activate(Activation::Silu), &[8], 8, 5, true);
    let runner = Runner { matrices: &matrices, chunk: CHUNK };
    let rows = noise(CHUNK * 5, 1);
    let (_, tape) = runner.record(&program, &mut rows.clone(), RESIDUAL);
    let weights = noise(CHUNK * 5, 2);
    let mut seen = Vec::new();
    runner.back(&program, &tape, RESIDUAL, weights.clone(), &mut |name, _, rows| {
        seen.push((name.to_owned(), rows.to_vec()))
    });
    assert_eq!(seen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["out", "in0"]);
    assert_eq!(seen[0].1, weights);
    assert_eq!(seen[1].1.len(), CHUNK * 8);
}

/// Differences say little where a slope ends, so what is bounded has a test of its own.
#[test]
fn what_is_beyond_a_bound_has_no_gradient() {
    let columns = |first: usize, to: usize| {
        let op = Op::Columns { first, group: 2 };
        Step { op, from: vec![RESIDUAL], to: Register(to) }
    };
    let gate = Step { op: Op::Gate(Activation::ClampedSwiglu), from: vec![Register(1), Register(2)], to: Register(3) };
    let clamp = Step { op: Op::Clamp(1.5), from: vec![Register(3)], to: Register(3) };
    let gated = Program { widths: vec![2, 1, 1, 1], steps: vec![columns(0, 1), columns(1, 2), gate] };
    let clamped = Program { steps: [gated.steps.clone(), vec![clamp]].concat(), ..gated.clone() };
    let matrices = Matrices::new();
    let gradient = |program: &Program, row: [f32; 2]| {
        let runner = Runner { matrices: &matrices, chunk: 1 };
        let (_, tape) = runner.record(program, &mut row.to_vec(), Register(3));
        runner.back(program, &tape, Register(3), vec![1.0], &mut |_, _, _| {})
    };
    let is_zero = |row: [f32; 2]| [0, 1].map(|n| gradient(&gated, row)[n] == 0.0);
    assert_eq!(is_zero([1.0, 1.0]), [false, false]);
    assert_eq!(is_zero([8.0, 1.0]), [true, false]);
    assert_eq!(is_zero([1.0, 8.0]), [false, true]);
    assert_eq!(is_zero([1.0, -8.0]), [false, true]);
    assert_eq!(gradient(&clamped, [0.5, 0.5]), gradient(&gated, [0.5, 0.5]));
    assert_eq!(gradient(&clamped, [2.0, 2.0]), [0.0, 0.0]);
    assert_eq!(gradient(&clamped, [2.0, -4.0]), [0.0, 0.0]);
}

#[test]
fn experts_have_no_backward_pass_and_say_so() {
    let experts = Op::Experts(Experts {
        count: 2,
        used: 1,
        gating: Gating::Softmax,
        bias: None,
        groups: [1, 1],
        normed: true,
        scale: 1.0,
        activation: Activation::Silu,
        matrices: ["gate", "up", "down"].map(str::to_owned),
        biases: [None, None, None],
    });
    let (program, _) = program(experts, &[4, 2], 4, 4, false);
    assert!(has_gradient(&program).unwrap_err().to_string().contains("experts"));
}
