//! Runs programs of the forward pass on the processor.

mod attention;
mod backward;
mod experts;
mod gram;
mod held;
mod linear;
mod rope;
mod rows;
mod vector;

pub use crate::forward::{Matrices, Matrix};
pub use backward::{Tape, has_gradient};
pub use gram::{add_cross, add_gram, add_products, project, quadratic_form, times};

use crate::cache::Held;
use crate::forward::{Op, Program, RESIDUAL, Register, Step};
use linear::Product;
use rope::Way;

/// Called before each product with the name of the matrix, the expert it belongs to, and the rows that are multiplied.
pub type Observe<'a> = &'a mut dyn FnMut(&str, usize, &[f32]);

/// What a program has seen of a text that goes on: how many tokens, and their keys and values in its attention.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Tokens that were run.
    pub tokens: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Runs programs over rows of text.
pub struct Runner<'a> {
    /// The tensors of the programs. A missing one is a panic: whoever loads them asks the program for their names.
    pub matrices: &'a Matrices,
    /// Tokens that belong together: positions count from 0 in each chunk.
    pub chunk: usize,
}

impl Runner<'_> {
    /// Runs `program` on rows of the residual stream, which come back changed, with the rows of the register wanted.
    pub fn run(&self, program: &Program, residual: &mut Vec<f32>, wanted: Register, observe: Observe<'_>) -> Vec<f32> {
        self.run_after(program, residual, wanted, observe, None)
    }

    /// The same of rows that all follow what the program has seen, where there is such a past; `chunk` counts for nothing
    /// then. A program has a past of its own for each text.
    pub fn run_after(
        &self,
        program: &Program,
        residual: &mut Vec<f32>,
        wanted: Register,
        observe: Observe<'_>,
        past: Option<&mut Past>,
    ) -> Vec<f32> {
        self.execute(program, residual, wanted, observe, past, None)
    }

    /// The same, with what a backward pass asks for written down where there is a tape.
    fn execute(
        &self,
        program: &Program,
        residual: &mut Vec<f32>,
        wanted: Register,
        observe: Observe<'_>,
        mut past: Option<&mut Past>,
        mut tape: Option<&mut Tape>,
    ) -> Vec<f32> {
        let tokens = residual.len() / program.widths[RESIDUAL.0];
        let mut registers: Vec<Vec<f32>> = vec![Vec::new(); program.widths.len()];
        registers[RESIDUAL.0] = std::mem::take(residual);
        let last_use = program.last_uses(wanted);
        let mut product = Product::default();
        for (number, step) in program.steps.iter().enumerate() {
            if let Some(tape) = &mut tape {
                tape.record(step, &registers);
            }
            let mut to = std::mem::take(&mut registers[step.to.0]);
            to.resize(tokens * program.widths[step.to.0], 0.0);
            self.step(step, program, &registers, &mut to, &mut product, observe, past.as_deref_mut());
            registers[step.to.0] = to;
            for register in step.from.iter().filter(|register| last_use[register.0] == number) {
                registers[register.0] = Vec::new();
            }
        }
        if let Some(past) = past {
            past.tokens += tokens;
        }
        *residual = std::mem::take(&mut registers[RESIDUAL.0]);
        if wanted == RESIDUAL { Vec::new() } else { std::mem::take(&mut registers[wanted.0]) }
    }

    #[allow(clippy::too_many_arguments, reason = "the state of one run, each part borrowed in its own way")]
    fn step(
        &self,
        step: &Step,
        program: &Program,
        registers: &[Vec<f32>],
        to: &mut [f32],
        product: &mut Product,
        observe: Observe<'_>,
        past: Option<&mut Past>,
    ) {
        let width = program.widths[step.to.0];
        let from_width = program.widths[step.from[0].0];
        let from = |i: usize| registers[step.from[i].0].as_slice();
        let floats = |name: &Option<String>| name.as_ref().map(|name| self.matrices[name].floats());
        let place = match &past {
            None => Place { chunk: self.chunk, past: 0 },
            Some(past) => Place { chunk: to.len() / width, past: past.tokens },
        };
        // A register that is read and written was taken out of the list.
        if step.from[0] != step.to && matches!(step.op, Op::Norm { .. } | Op::Activate(_) | Op::Add | Op::Weigh) {
            to.copy_from_slice(from(0));
        }
        match &step.op {
            Op::Linear { weight, bias } => {
                observe(weight, 0, from(0));
                product.linear(from(0), &self.matrices[weight], 0, floats(bias).as_deref(), to);
            }
            Op::HeadLinear { weight, heads } => {
                for head in 0..*heads {
                    let mut own = vec![0.0; from(0).len() / heads];
                    rows::columns(&mut own, from(0), head * from_width / heads, [from_width, from_width / heads]);
                    observe(weight, head, &own);
                }
                product.heads(from(0), &self.matrices[weight], *heads, to);
            }
            Op::Norm { norm, width, weight, bias } => {
                rows::norm(to, *norm, *width, floats(weight).as_deref(), floats(bias).as_deref());
            }
            Op::Keep(row) => rows::keep(to, width, *row),
            Op::Rope { rope, head } => rope::rotate(to, rope, Way::Forward, *head, width, place),
            Op::Positions { weight } => rope::add_positions(to, &self.matrices[weight].floats(), width, place),
            Op::Temperature { scale, every } => rope::temperature(to, *scale, *every, width, place),
            Op::Attention(how) => {
                let sinks = floats(&how.sinks);
                let (mut keys, mut values) = (from(1), from(2));
                if let Some(past) = past {
                    past.keys.extend(keys);
                    past.values.extend(values);
                    (keys, values) = (&past.keys, &past.values);
                }
                let attend = if how.held == Held::All { attention::attention } else { held::attention };
                attend(how, sinks.as_deref(), [from(0), keys, values], place, to);
            }
            Op::Experts(how) => experts::experts(how, self.matrices, [from(0), from(1)], product, to, observe),
            Op::Activate(activation) => rows::activate(to, *activation),
            Op::Gate(activation) => rows::gate(to, from(0), from(1), *activation),
            Op::Add => rows::add(to, from(1)),
            Op::Weigh => rows::weigh(to, from(1)),
            Op::Scale(by) => rows::each(to, |x| x * by),
            Op::Softcap(bound) => rows::each(to, |x| bound * (x / bound).tanh()),
            Op::Clamp(bound) => rows::each(to, |x| x.clamp(-bound, *bound)),
            Op::Columns { first, group } => rows::columns(to, from(0), *first, [*group, group * width / from_width]),
            Op::Join { heads } => rows::join(to, [from(0), from(1)], width / heads, from_width / heads),
        }
    }
}

/// Where rows stand in their text.
#[derive(Clone, Copy)]
struct Place {
    /// Rows that belong together.
    chunk: usize,
    /// Tokens before the first of them.
    past: usize,
}
