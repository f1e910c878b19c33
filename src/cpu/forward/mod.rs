//! Runs programs of the forward pass on the processor.

mod attention;
mod linear;
mod rows;

use crate::forward::{Op, Program, RESIDUAL, Register};
use crate::quant::FormatRef;
use std::collections::HashMap;

/// A tensor in memory, as it is stored.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// How.
    pub format: FormatRef,
    /// Columns first.
    pub shape: Vec<u64>,
    /// Its blocks.
    pub bytes: Vec<u8>,
}

impl Matrix {
    /// All of its weights.
    pub fn floats(&self) -> Vec<f32> {
        let mut floats = vec![0.0; self.shape.iter().product::<u64>() as usize];
        (self.format.dequantize)(&self.bytes, &mut floats);
        floats
    }
}

/// Tensors by name.
pub type Matrices = HashMap<String, Matrix>;

/// Runs `program` on rows of the residual stream, `chunk` tokens of text after one another, whose positions count from 0 in
/// each chunk. Returns the register asked for; the residual stream is changed in place.
///
/// Panics where a tensor of the program is missing: whoever loads them asks the program for their names.
pub fn run(
    program: &Program,
    matrices: &Matrices,
    chunk: usize,
    residual: &mut Vec<f32>,
    wanted: Register,
) -> Vec<f32> {
    let tokens = residual.len() / program.widths[RESIDUAL.0];
    let mut registers: Vec<Vec<f32>> = vec![Vec::new(); program.widths.len()];
    registers[RESIDUAL.0] = std::mem::take(residual);
    let last_use = last_uses(program, wanted);
    for (number, step) in program.steps.iter().enumerate() {
        let mut to = std::mem::take(&mut registers[step.to.0]);
        let width = program.widths[step.to.0];
        to.resize(tokens * width, 0.0);
        let from = |i: usize| registers[step.from[i].0].as_slice();
        let floats = |name: &Option<String>| name.as_ref().map(|name| matrices[name].floats());
        let in_place = step.from[0] == step.to;
        match &step.op {
            Op::Linear { weight, bias } => {
                linear::linear(from(0), &matrices[weight], floats(bias).as_deref(), &mut to);
            }
            Op::Norm { norm, width, weight, bias } => {
                to.copy_from_slice(from(0));
                let (weight, bias) = (floats(weight), floats(bias));
                rows::norm(&mut to, *norm, *width, weight.as_deref(), bias.as_deref());
            }
            Op::Rope { rope, head } => rows::rope(&mut to, rope, *head, width, chunk),
            Op::Attention(attention) => attention::attention(attention, [from(0), from(1), from(2)], chunk, &mut to),
            Op::Activate(activation) => {
                to.copy_from_slice(from(0));
                rows::each(&mut to, |x| rows::activate(*activation, x));
            }
            Op::Gate(activation) => rows::gate(&mut to, from(0), from(1), *activation),
            // Only ever onto the first of the two.
            Op::Add if in_place => rows::add(&mut to, from(1)),
            Op::Add => {
                to.copy_from_slice(from(0));
                rows::add(&mut to, from(1));
            }
            Op::Scale(by) => rows::each(&mut to, |x| x * by),
            Op::Softcap(bound) => rows::each(&mut to, |x| bound * (x / bound).tanh()),
            Op::Columns(first) => rows::columns(&mut to, width, from(0), program.widths[step.from[0].0], *first),
        }
        registers[step.to.0] = to;
        for register in step.from.iter().filter(|register| last_use[register.0] == number) {
            registers[register.0] = Vec::new();
        }
    }
    if wanted == RESIDUAL {
        *residual = std::mem::take(&mut registers[RESIDUAL.0]);
        return Vec::new();
    }
    *residual = std::mem::take(&mut registers[RESIDUAL.0]);
    std::mem::take(&mut registers[wanted.0])
}

/// The number of the step after which a register is free.
fn last_uses(program: &Program, wanted: Register) -> Vec<usize> {
    let mut last = vec![0; program.widths.len()];
    for (number, step) in program.steps.iter().enumerate() {
        for register in step.from.iter().chain([&step.to]) {
            last[register.0] = number;
        }
    }
    for kept in [RESIDUAL, wanted] {
        last[kept.0] = usize::MAX;
    }
    last
}
