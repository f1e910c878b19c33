//! Runs programs of the forward pass on a GPU.
//!
//! Weights lie on the device as they are stored. Many rows are multiplied with a panel of them at a time, unpacked by a
//! kernel of its own; few rows as the weights are unpacked. Registers are buffers, used again once they are free. Nothing is
//! read back within a layer but which experts were chosen.

mod attention;
pub(super) mod device;
mod experts;
mod keep;
pub(super) mod kernels;
mod multiply;
mod past;
pub(super) mod plan;
pub(super) mod product;
mod rows;
mod stream;
mod sums;
mod weights;

pub use kernels::{Variant, variants};
pub use multiply::Multiply;
pub use past::Past;
pub use stream::Stream;
pub use sums::{Summed, Sums};
pub use weights::Weights;

use super::{Adapter, Checks};
use crate::forward::{Matrices, Matrix, Op, Program, RESIDUAL, Register, Rope, Step};
use crate::graph::RunError;
use device::{Device, View};
use product::{Adds, Part, Rows, To, multiply};
use rows::{Arrange, Each, Place, arrange, each};
use std::collections::BTreeMap;
use std::ops::Range;

/// Memory that nobody has is kept for the next layer, which needs as much, up to this part of all: drivers clear what is new.
const IDLE: u64 = 8;

/// What a run has beside weights and rows.
#[derive(Default)]
struct Beside<'a> {
    past: Option<&'a Past>,
    sums: Option<&'a mut Sums>,
}

/// Runs programs over rows of text.
pub struct Runner {
    device: Device,
    multiply: Multiply,
    budget: u64,
    /// Cosines and sines, of each rotation up to some position.
    turns: Vec<(Rope, u64, View)>,
}

impl Runner {
    /// On a device, in so many bytes of its memory; without, in most of what is free of it.
    pub fn new(adapter: &Adapter, memory: Option<u64>) -> Result<Self, RunError> {
        Self::with(adapter, memory, Multiply::best(adapter), Checks::Off)
    }

    /// The same with a way to multiply that the device has, and with or without bounds checks.
    pub fn with(adapter: &Adapter, memory: Option<u64>, multiply: Multiply, checks: Checks) -> Result<Self, RunError> {
        let mut device = Device::new(adapter, multiply.features(), checks)?;
        let budget = memory.unwrap_or_else(|| plan::usual_budget(adapter));
        device.panel = device.panel.min(budget / 8);
        Ok(Self { device, multiply, budget, turns: Vec::new() })
    }

    /// The device and how it multiplies.
    pub fn name(&self) -> String {
        format!("{}, {}", self.device.open.name, self.multiply)
    }

    /// Puts the tensors of a program on the device that are not yet there. A missing one is a panic: whoever loads them
    /// asks the program for their names.
    pub fn load(&mut self, weights: &mut Weights, program: &Program, matrices: &Matrices) -> Result<(), RunError> {
        weights.load(&mut self.device, program, matrices)?;
        plan::check(&self.device, weights, program)
    }

    /// Puts one matrix on the device, to be exchanged for that of a program.
    pub fn load_matrix(&mut self, name: &str, matrix: &Matrix) -> Result<Weights, RunError> {
        Weights::of_one(&mut self.device, name, matrix)
    }

    /// Runs a program, whose weights are loaded, on rows of the residual stream, which come back changed, with the rows of
    /// the register wanted. The rows are those of whole chunks of so many tokens, whose positions count from 0. What goes
    /// into the program's matrices is added to `sums`.
    pub fn run(
        &mut self,
        weights: &Weights,
        program: &Program,
        rows: &mut [f32],
        wanted: Register,
        chunk: usize,
        mut sums: Option<&mut Sums>,
    ) -> Result<Vec<f32>, RunError> {
        let width = program.widths[RESIDUAL.0];
        let batch = self.batch(weights, program, wanted, chunk)?;
        let mut found = Vec::new();
        for rows in rows.chunks_mut(batch * width) {
            let stream = self.stream(rows, width)?;
            let tokens = stream.tokens();
            let beside = Beside { past: None, sums: sums.as_deref_mut() };
            let register = self.pass((weights, program), stream.view(), tokens, wanted, chunk, beside)?;
            if wanted == RESIDUAL {
                rows.copy_from_slice(&self.rows(&stream)?);
            } else {
                let bytes = 4 * (tokens * program.widths[wanted.0]) as u64;
                found.extend(self.device.read::<f32>(&View { bytes, ..register.clone() })?);
                self.device.give(register);
            }
        }
        self.device.trim();
        Ok(found)
    }

    /// Tokens that can go through a program at a time: whole chunks, where it looks at positions.
    pub fn batch(
        &self,
        weights: &Weights,
        program: &Program,
        wanted: Register,
        chunk: usize,
    ) -> Result<usize, RunError> {
        plan::batch(&self.device, self.budget, (weights, program), wanted, chunk)
    }

    /// Whether so many bytes may stay on the device beside all else.
    pub fn has_room(&self, bytes: usize) -> bool {
        bytes as u64 <= self.budget / 4
    }

    /// The most rows of so many numbers that a stream has.
    pub fn most_rows(&self, width: usize) -> usize {
        (self.device.binding_limit / (4 * width as u64)) as usize
    }

    /// Puts rows on the device.
    pub fn stream(&mut self, rows: &[f32], width: usize) -> Result<Stream, RunError> {
        Stream::new(&mut self.device, rows, width)
    }

    /// Runs a program on some rows that stay on the device: as many as [`Runner::batch`] says, from a multiple of
    /// [`Stream::step`] on. What goes into the program's matrices is added to `sums`.
    pub fn advance(
        &mut self,
        weights: &Weights,
        program: &Program,
        (stream, tokens): (&Stream, Range<usize>),
        chunk: usize,
        sums: Option<&mut Sums>,
    ) -> Result<(), RunError> {
        let rows = stream.part(tokens.clone());
        let beside = Beside { past: None, sums };
        self.pass((weights, program), &rows, tokens.len(), RESIDUAL, chunk, beside).map(|_| ())
    }

    /// Sums, still zero, of what will go into the matrices of a program whose weights are loaded: of squares by column, and
    /// of x·xᵀ where `grams` says so of a name.
    pub fn sums(
        &mut self,
        weights: &Weights,
        program: &Program,
        grams: &dyn Fn(&str) -> bool,
    ) -> Result<Sums, RunError> {
        Sums::new(&mut self.device, (weights, program), self.budget, grams)
    }

    /// Sums in memory, by the names of matrices.
    pub fn summed(&mut self, sums: &Sums) -> Result<BTreeMap<String, Summed>, RunError> {
        sums.read(&mut self.device)
    }

    /// Room for what a program, whose weights are loaded, sees of a text of so many tokens.
    pub fn past(&mut self, program: &Program, tokens: usize) -> Result<Past, RunError> {
        Past::new(&mut self.device, program, tokens)
    }

    /// Runs a program on all rows of a stream, which follow what it has seen. A program has a past of its own for each text.
    pub fn go_on(
        &mut self,
        weights: &Weights,
        program: &Program,
        stream: &Stream,
        past: &mut Past,
    ) -> Result<(), RunError> {
        let tokens = stream.tokens();
        past.check(&self.device, tokens)?;
        let beside = Beside { past: Some(past), sums: None };
        self.pass((weights, program), stream.view(), tokens, RESIDUAL, tokens, beside)?;
        past.tokens += tokens as u64;
        Ok(())
    }

    /// What a program that looks at no positions makes of the last row of a stream.
    pub fn last(
        &mut self,
        weights: &Weights,
        program: &Program,
        stream: &Stream,
        wanted: Register,
    ) -> Result<Vec<f32>, RunError> {
        let [tokens, width] = stream.size();
        let first = (tokens - 1) as usize / Stream::step(width as usize) * Stream::step(width as usize);
        let rows = tokens as usize - first;
        let part = stream.part(first..tokens as usize);
        let register = self.pass((weights, program), &part, rows, wanted, rows, Beside::default())?;
        let bytes = 4 * program.widths[wanted.0] as u64;
        let last = View { offset: register.offset + (rows as u64 - 1) * bytes, bytes, ..register.clone() };
        let found = self.device.read(&last)?;
        self.device.give(register);
        Ok(found)
    }

    /// Bytes of the device's memory that may be used.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// The sums of the squared difference of two streams of the same size, and of the squares of the second.
    pub fn difference(&mut self, own: &Stream, other: &Stream) -> Result<[f64; 2], RunError> {
        stream::difference(&mut self.device, own, other)
    }

    /// The rows of a stream, once all that was asked for is done.
    pub fn rows(&mut self, stream: &Stream) -> Result<Vec<f32>, RunError> {
        self.device.read(stream.view())
    }

    /// Waits until all that was asked for is done.
    pub fn wait(&mut self) -> Result<(), RunError> {
        self.device.submit()?;
        self.device.wait(None)?;
        self.device.trim_beyond(self.budget / IDLE);
        Ok(())
    }

    fn pass(
        &mut self,
        (weights, program): (&Weights, &Program),
        residual: &View,
        tokens: usize,
        wanted: Register,
        chunk: usize,
        mut beside: Beside<'_>,
    ) -> Result<View, RunError> {
        let tokens = tokens as u64;
        let place = Place { chunk: chunk as u64, past: beside.past.map_or(0, |past| past.tokens) };
        let last_use = program.last_uses(wanted);
        let mut registers: Vec<Option<View>> = vec![None; program.widths.len()];
        registers[RESIDUAL.0] = Some(residual.clone());
        let mut steps = program.steps.iter().enumerate();
        while let Some((number, step)) = steps.next() {
            let sum = sum_of(program, number, &last_use);
            let register = sum.unwrap_or(step.to);
            let adds = if sum.is_some() { Adds::Add } else { Adds::Replace };
            let width = program.widths[register.0] as u64;
            let to = match &registers[register.0] {
                Some(view) => view.clone(),
                None => self.device.take(4 * tokens * width),
            };
            self.step(weights, program, step, &registers, (&to, adds), tokens, place, &mut beside)?;
            registers[register.0] = Some(to);
            let done = number..number + 1 + usize::from(sum.is_some());
            if sum.is_some() {
                steps.next();
            }
            for register in step.from.iter().chain([&step.to]).filter(|register| done.contains(&last_use[register.0])) {
                registers[register.0].take().into_iter().for_each(|view| self.device.give(view));
            }
        }
        self.device.submit_some()?;
        Ok(registers[wanted.0].take().unwrap_or_else(|| residual.clone()))
    }

    #[allow(clippy::too_many_arguments, reason = "the state of one run, each part borrowed in its own way")]
    fn step(
        &mut self,
        weights: &Weights,
        program: &Program,
        step: &Step,
        registers: &[Option<View>],
        (to, adds): (&View, Adds),
        tokens: u64,
        place: Place,
        beside: &mut Beside<'_>,
    ) -> Result<(), RunError> {
        let (width, from_width) = (program.widths[step.to.0] as u64, program.widths[step.from[0].0] as u64);
        let from = |i: usize| registers[step.from[i].0].as_ref().expect("a step reads what was written");
        let is_in_place = step.from[0] == step.to;
        let size = [tokens, width];
        let device = &mut self.device;
        let number = |device: &mut Device, what: Each<'_>| {
            let from = if is_in_place { None } else { Some(from(0)) };
            each(device, what, from, to, size, place)
        };
        match &step.op {
            Op::Linear { weight, bias } => {
                let x = Rows::new(device, self.multiply, from(0), tokens, from_width)?;
                let matrix = (weights.matrix(weight), 0);
                let bias = weights.vector(bias).map(|view| (view, 0));
                let y = To { view: to, first: 0, step: width };
                if let Some(sums) = beside.sums.as_deref_mut() {
                    sums.add(device, self.multiply, (weight, 0), (from(0), x.all(), from_width))?;
                }
                multiply(device, self.multiply, (&x, x.all()), matrix, bias, (y, adds))?;
                x.free(device);
            }
            Op::HeadLinear { weight, heads } => {
                let x = Rows::new(device, self.multiply, from(0), tokens, from_width)?;
                let heads = *heads as u64;
                for head in 0..heads {
                    let part = Part { column: head * from_width / heads, ..x.all() };
                    if let Some(sums) = beside.sums.as_deref_mut() {
                        sums.add(device, self.multiply, (weight, head), (from(0), part, from_width))?;
                    }
                    let y = To { view: to, first: head * width / heads, step: width };
                    multiply(device, self.multiply, (&x, part), (weights.matrix(weight), head), None, (y, adds))?;
                }
                x.free(device);
            }
            Op::Norm { norm, width: group, weight, bias } => {
                let vectors = [weights.vector(weight), weights.vector(bias)];
                let count = [tokens * width, *group as u64];
                if is_in_place {
                    let copy = device.take(4 * tokens * width);
                    arrange(
                        device,
                        Arrange::Columns { first: 0, group: width },
                        from(0),
                        &copy,
                        tokens * width,
                        width,
                    )?;
                    rows::norm(device, *norm, count, vectors, &copy, to)?;
                    device.give(copy);
                } else {
                    rows::norm(device, *norm, count, vectors, from(0), to)?;
                }
            }
            Op::Keep(row) => keep::keep(device, *row, size, to)?,
            Op::Rope { rope, head } => {
                let turns = self.turns(rope, place.past + place.chunk);
                rows::rotate(&mut self.device, rope, *head, &turns, size, place, to)?;
            }
            Op::Positions { weight } => {
                number(device, Each::Positions(weights.vector(&Some(weight.clone())).expect("it was loaded")))?;
            }
            Op::Temperature { scale, every } => number(device, Each::Temperature(*scale, *every))?,
            Op::Attention(how) => {
                let slopes = match (&how.sinks, how.alibi) {
                    (None, Some(_)) => Some(device.upload("slopes", bytemuck::cast_slice(&attention::slopes(how)))),
                    (sinks, _) => weights.vector(sinks).cloned(),
                };
                let [keys, values] = match beside.past {
                    Some(past) => past.extend(device, [from(1), from(2)], tokens)?,
                    None => [from(1), from(2)],
                };
                attention::attention(device, how, [from(0), keys, values], slopes.as_ref(), tokens, place, to)?;
            }
            Op::Experts(how) => {
                let sums = beside.sums.as_deref_mut();
                experts::experts(device, self.multiply, how, weights, ([from(0), from(1)], tokens), to, sums)?;
            }
            Op::Activate(activation) => number(device, Each::Activate(*activation))?,
            Op::Gate(activation) => number(device, Each::Gate(*activation, from(1)))?,
            Op::Add => number(device, Each::Add(from(1)))?,
            Op::Weigh => number(device, Each::Weigh(from(1)))?,
            Op::Scale(by) => number(device, Each::Scale(*by))?,
            Op::Softcap(bound) => number(device, Each::Softcap(*bound))?,
            Op::Clamp(bound) => number(device, Each::Clamp(*bound))?,
            Op::Columns { first, group } => {
                let own = *group as u64 * width / from_width;
                let how = Arrange::Columns { first: *first, group: *group as u64 };
                arrange(device, how, from(0), to, tokens * width, own)?;
            }
            Op::Join { heads } => {
                let heads = *heads as u64;
                let how = Arrange::Join { width: from_width / heads, other: from(1) };
                arrange(device, how, from(0), to, tokens * width, width / heads)?;
            }
        }
        Ok(())
    }

    /// The table of a rotation for so many positions.
    fn turns(&mut self, rope: &Rope, positions: u64) -> View {
        if let Some((.., view)) = self.turns.iter().find(|(own, count, _)| *count >= positions && own == rope) {
            return view.clone();
        }
        self.turns.retain(|(own, ..)| own != rope);
        let positions = positions.next_power_of_two();
        let view = self.device.upload("turns", bytemuck::cast_slice(&rows::turns(rope, positions)));
        self.turns.push((rope.clone(), positions, view.clone()));
        view
    }
}

/// What the product of that step is added to, where the next step does no more than that: then the product needs no register.
fn sum_of(program: &Program, number: usize, last_use: &[usize]) -> Option<Register> {
    let (step, next) = (&program.steps[number], program.steps.get(number + 1)?);
    let is_product = matches!(step.op, Op::Linear { .. }) && step.from[0] != next.to;
    let is_sum = next.op == Op::Add && next.from == [next.to, step.to];
    let is_over = last_use[step.to.0] == number + 1 && last_use[next.to.0] > number + 1;
    (is_product && is_sum && is_over).then_some(next.to)
}
