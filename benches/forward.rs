//! How fast the forward pass runs on every GPU of this machine: products of many rows in every way the device has, products
//! of one row with weights in several formats, and a model of the shape of Llama 3 8B.
//!
//!     cargo bench --bench forward
//!
//! Weights are random. The model is one layer 32 times over, so it stands for one whose weights stay on the device; one layer
//! is larger than the caches of today's GPUs. On a driver that runs shaders on the processor everything is smaller.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::cpu;
use tuck::forward::{
    Activation, Attention, Matrices, Matrix, Norm, Op, Pairs, Program, RESIDUAL, Register, Rope, Step,
};
use tuck::gpu::forward::{Multiply, Runner, Weights};
use tuck::gpu::{self, Adapter, Checks};
use tuck::quant::{F16, F32, FORMATS, FormatRef, Q4_K, Q6_K, Q8_0, Search};

/// Runs before anything is timed.
const WARM: Duration = Duration::from_millis(300);

/// Prints what it measures on a device.
type Bench = fn(&Adapter);

fn main() {
    let only: Option<String> = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for adapter in gpu::devices() {
        println!("\n{adapter}, {}", adapter.kind());
        let benches = [("products", products as Bench), ("rows", rows), ("layer", layer), ("model", model)];
        for (_, bench) in benches.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
            bench(&adapter);
        }
    }
}

/// Reproducible numbers between -1 and 1.
fn numbers(count: usize, mut state: u64) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Random weights of a size that keeps products near that of their rows; a few rows come again and again.
fn matrix(format: FormatRef, shape: &[u64]) -> Matrix {
    let count = shape.iter().product::<u64>();
    let own = (shape[0] * 61).min(count);
    let scale = (3.0 / shape[0] as f32).sqrt();
    let floats: Vec<f32> = numbers(own as usize, shape[0]).into_iter().map(|x| x * scale).collect();
    let mut blocks = vec![0; format.bytes(own) as usize];
    (format.quantize)(&floats, Search::default(), &mut blocks);
    let bytes = blocks.iter().copied().cycle().take(format.bytes(count) as usize).collect();
    Matrix { format, shape: shape.to_vec(), bytes }
}

fn linear(weight: &str, from: usize, to: usize) -> Step {
    let op = Op::Linear { weight: weight.to_owned(), bias: None };
    Step { op, from: vec![Register(from)], to: Register(to) }
}

/// The time of one of `times` runs of a program on so many tokens.
fn time(
    runner: &mut Runner,
    program: &Program,
    weights: &Weights,
    (tokens, chunk): (usize, usize),
    times: u32,
) -> Duration {
    let width = program.widths[0];
    let stream = runner.stream(&numbers(tokens * width, 1), width).unwrap();
    let mut run = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            runner.advance(weights, program, (&stream, 0..tokens), chunk, None).unwrap();
        }
        runner.wait().unwrap();
        start.elapsed() / times
    };
    // Clocks rise only while there is work.
    let warm = Instant::now();
    while warm.elapsed() < WARM {
        run(times);
    }
    (0..3).map(|_| run(times)).min().unwrap_or(Duration::MAX)
}

/// Products of many rows, in every way to multiply.
fn products(adapter: &Adapter) {
    let small = adapter.is_cpu();
    let (size, tokens) = if small { (768, 256) } else { (4096, 4096) };
    println!("\n{tokens} rows times {size} x {size}; the error is that against the processor, of 200 rows");
    println!("{:<50}{:>10}{:>16}{:>16}", "", "error", "F16, TFLOP/s", "Q4_K, TFLOP/s");
    for multiply in Multiply::of(adapter) {
        let mut runner = match Runner::with(adapter, None, multiply, Checks::Off) {
            Ok(runner) => runner,
            Err(error) => {
                println!("{:<50} {error}", multiply.to_string());
                continue;
            }
        };
        let program = Program { widths: vec![size, size], steps: vec![linear("w", 0, 1); 4] };
        let mut rates = Vec::new();
        let mut error = 0.0;
        for format in [&F16, &Q4_K] {
            let matrices = Matrices::from([("w".to_owned(), matrix(format, &[size as u64, size as u64]))]);
            let mut weights = Weights::default();
            runner.load(&mut weights, &program, &matrices).unwrap();
            if format == &F16 {
                error = error_of(&mut runner, &program, &weights, &matrices);
            }
            let flops = 2.0 * (size * size * tokens * program.steps.len()) as f64;
            let seconds = time(&mut runner, &program, &weights, (tokens, tokens), if small { 1 } else { 10 });
            rates.push(flops / seconds.as_secs_f64() / 1e12);
        }
        println!("{:<50}{error:>10.1e}{:>16.3}{:>16.3}", multiply.to_string(), rates[0], rates[1]);
    }
}

fn error_of(runner: &mut Runner, program: &Program, weights: &Weights, matrices: &Matrices) -> f64 {
    let mut rows = numbers(200 * program.widths[0], 5);
    let found = runner.run(weights, program, &mut rows, Register(1), 200, None).unwrap();
    let on_cpu = cpu::forward::Runner { matrices, chunk: 200 };
    let expected = on_cpu.run(program, &mut rows, Register(1), &mut |_, _, _| {});
    let square = |x: f32| f64::from(x) * f64::from(x);
    let difference: f64 = expected.iter().zip(&found).map(|(a, b)| square(a - b)).sum();
    (difference / expected.iter().map(|x| square(*x)).sum::<f64>()).sqrt()
}

/// Products of one row and of four, with weights in every format.
fn rows(adapter: &Adapter) {
    let (inputs, outputs, count) = if adapter.is_cpu() { (512, 2048, 2) } else { (4096, 14336, 16) };
    println!("\nOne row and four rows times {count} matrices of {inputs} x {outputs}");
    println!("{:<10}{:>14}{:>18}{:>14}{:>18}", "format", "GB/s", "G weights/s", "GB/s, 4", "G weights/s, 4");
    let mut runner = Runner::new(adapter, None).unwrap();
    for &format in FORMATS {
        let one = matrix(format, &[inputs, outputs]);
        let names: Vec<String> = (0..count).map(|n| format!("w{n}")).collect();
        let steps = names.iter().map(|name| linear(name, 0, 1)).collect();
        let program = Program { widths: vec![inputs as usize, outputs as usize], steps };
        let matrices: Matrices = names.into_iter().map(|name| (name, one.clone())).collect();
        let mut weights = Weights::default();
        runner.load(&mut weights, &program, &matrices).unwrap();
        let rates = [1, 4].map(|tokens| {
            let seconds = time(&mut runner, &program, &weights, (tokens, tokens), 10).as_secs_f64();
            let weights = (inputs * outputs * count) as f64;
            [one.bytes.len() as f64 * count as f64 / seconds / 1e9, weights / seconds / 1e9]
        });
        let [[bytes, weights], [bytes_4, weights_4]] = rates;
        println!("{:<10}{bytes:>14.1}{weights:>18.1}{bytes_4:>14.1}{weights_4:>18.1}", format.name);
    }
}

/// What a layer of the shape of Llama's is made of.
struct Shape {
    hidden: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    inner: usize,
    vocabulary: usize,
    layers: u32,
}

const LLAMA_8B: Shape =
    Shape { hidden: 4096, heads: 32, kv_heads: 8, head: 128, inner: 14336, vocabulary: 128_256, layers: 32 };
const TINY: Shape = Shape { hidden: 512, heads: 8, kv_heads: 2, head: 64, inner: 1536, vocabulary: 4096, layers: 4 };

impl Shape {
    fn of(adapter: &Adapter) -> Self {
        if adapter.is_cpu() { TINY } else { LLAMA_8B }
    }

    fn layer(&self) -> Program {
        let (q, kv) = (self.heads * self.head, self.kv_heads * self.head);
        let (hidden, inner) = (self.hidden, self.inner);
        let widths = [hidden, hidden, q, kv, kv, q, hidden, hidden, inner, inner, inner, hidden];
        let step = |op: Op, from: &[usize], to: usize| Step {
            op,
            from: from.iter().copied().map(Register).collect(),
            to: Register(to),
        };
        let norm = || Op::Norm {
            norm: Norm::Rms { epsilon: 1e-5 },
            width: self.hidden,
            weight: Some("norm".to_owned()),
            bias: None,
        };
        let frequencies = Arc::from_iter((0..self.head / 2).map(|i| 5e5f32.powf(-2.0 * i as f32 / self.head as f32)));
        let rope = Rope { pairs: Pairs::Neighbours, frequencies, magnitude: 1.0 };
        let rope = || Op::Rope { rope: rope.clone(), head: self.head };
        let attention = Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            key: self.head,
            value: self.head,
            scale: 1.0 / (self.head as f32).sqrt(),
            window: None,
            softcap: None,
            alibi: None,
            sinks: None,
            held: tuck::cache::Held::All,
        };
        let steps = vec![
            step(norm(), &[0], 1),
            linear("q", 1, 2),
            linear("k", 1, 3),
            linear("v", 1, 4),
            step(rope(), &[2], 2),
            step(rope(), &[3], 3),
            step(Op::Attention(attention), &[2, 3, 4], 5),
            linear("o", 5, 6),
            step(Op::Add, &[0, 6], 0),
            step(norm(), &[0], 7),
            linear("gate", 7, 8),
            linear("up", 7, 9),
            step(Op::Gate(Activation::Silu), &[8, 9], 10),
            linear("down", 10, 11),
            step(Op::Add, &[0, 11], 0),
        ];
        Program { widths: widths.to_vec(), steps }
    }

    fn output(&self) -> Program {
        Program { widths: vec![self.hidden, self.vocabulary], steps: vec![linear("output", 0, 1)] }
    }

    fn matrices(&self, format: FormatRef) -> Matrices {
        let (hidden, inner) = (self.hidden as u64, self.inner as u64);
        let (q, kv) = ((self.heads * self.head) as u64, (self.kv_heads * self.head) as u64);
        let shapes = [
            ("q", [hidden, q]),
            ("k", [hidden, kv]),
            ("v", [hidden, kv]),
            ("o", [q, hidden]),
            ("gate", [hidden, inner]),
            ("up", [hidden, inner]),
            ("down", [inner, hidden]),
        ];
        let matrices = shapes.iter().map(|(name, shape)| ((*name).to_owned(), matrix(format, shape)));
        let output = matrix(&Q6_K, &[hidden, self.vocabulary as u64]);
        let norm = matrix(&F32, &[hidden]);
        matrices.chain([("output".to_owned(), output), ("norm".to_owned(), norm)]).collect()
    }
}

/// Where the time of a layer goes, when many tokens are scored and when one is made.
fn layer(adapter: &Adapter) {
    let shape = Shape::of(adapter);
    let many = if adapter.is_cpu() { 128 } else { 4096 };
    let mut runner = Runner::new(adapter, None).unwrap();
    for (format, tokens, times) in [(&Q4_K, many, 10), (&F16, 1, 256)] {
        let chunk = tokens.min(512);
        println!("\nA layer's steps on {tokens} tokens in chunks of {chunk}, {}, {}", format.name, runner.name());
        let (program, matrices) = (shape.layer(), shape.matrices(format));
        let mut weights = Weights::default();
        runner.load(&mut weights, &program, &matrices).unwrap();
        let mut before = Duration::ZERO;
        for count in 1..=program.steps.len() {
            let first = Program { widths: program.widths.clone(), steps: program.steps[..count].to_vec() };
            let all = time(&mut runner, &first, &weights, (tokens, chunk), times);
            let name: String = format!("{:?}", program.steps[count - 1].op).chars().take(60).collect();
            println!("  {name:<62}{:>10.1} µs", (all.as_secs_f64() - before.as_secs_f64()) * 1e6);
            before = all;
        }
    }
}

/// Tokens a second of a model of the shape of Llama 3 8B: scored, and made one after another without a past.
fn model(adapter: &Adapter) {
    let shape = Shape::of(adapter);
    let (tokens, chunk) = if adapter.is_cpu() { (128, 64) } else { (4096, 512) };
    let mut runner = Runner::new(adapter, None).unwrap();
    println!("\nA model of {} layers of {} columns, output in Q6_K, {}", shape.layers, shape.hidden, runner.name());
    println!("{:<10}{:>24}{:>24}{:>24}", "format", "scored, tokens/s", "made, tokens/s", "made, GB/s of weights");
    for format in [&F16, &Q8_0, &Q6_K, &Q4_K] {
        let (layer, output, matrices) = (shape.layer(), shape.output(), shape.matrices(format));
        let mut weights = Weights::default();
        runner.load(&mut weights, &layer, &matrices).unwrap();
        runner.load(&mut weights, &output, &matrices).unwrap();
        let mut seconds = |tokens: usize, chunk: usize, program: &Program| {
            let batch = runner.batch(&weights, program, RESIDUAL, chunk).unwrap().min(tokens);
            time(&mut runner, program, &weights, (batch, chunk), if tokens == 1 { 256 } else { 8 }).as_secs_f64()
                * tokens as f64
                / batch as f64
        };
        // The second half of each chunk is scored.
        let scored = f64::from(shape.layers) * seconds(tokens, chunk, &layer) + seconds(tokens / 2, 1, &output);
        let made = f64::from(shape.layers) * seconds(1, 1, &layer) + seconds(1, 1, &output);
        let bytes = |name: &str| matrices[name].bytes.len() as f64;
        let of_layer: f64 = ["q", "k", "v", "o", "gate", "up", "down"].map(bytes).iter().sum();
        let all = of_layer * f64::from(shape.layers) + bytes("output");
        println!("{:<10}{:>24.1}{:>24.1}{:>24.1}", format.name, tokens as f64 / scored, 1.0 / made, all / made / 1e9);
    }
}
