//! The backward pass: from the gradient of a number by what a program writes to that by what it reads.
//!
//! Only activations have gradients, for weights stay as they are. What the adjoint of a step asks for beside its gradient
//! is on a [`Tape`] that the forward pass wrote; where a step's inputs do not matter, as those of products do not, nothing is.

mod attention;
mod rows;

use super::linear::Product;
use super::rope::{self, Way};
use super::{Observe, Place, Runner, rows as forward_rows};
use crate::cache::{Held, Row};
use crate::forward::{Op, Program, RESIDUAL, Register, Step, Unsupported};

/// Inputs of a program's steps, of each those that its adjoint asks for.
#[derive(Clone, Debug, Default)]
pub struct Tape(Vec<Vec<Vec<f32>>>);

impl Tape {
    pub(super) fn record(&mut self, step: &Step, registers: &[Vec<f32>]) {
        let wanted = &step.from[..wanted(&step.op)];
        self.0.push(wanted.iter().map(|register| registers[register.0].clone()).collect());
    }
}

/// How many of its inputs, from the first on, an operation's adjoint asks for.
fn wanted(op: &Op) -> usize {
    match op {
        Op::Norm { .. } | Op::Activate(_) | Op::Softcap(_) | Op::Clamp(_) => 1,
        Op::Gate(_) | Op::Weigh => 2,
        Op::Attention(_) => 3,
        _ => 0,
    }
}

/// Says why a program has no backward pass, where it has none.
pub fn has_gradient(program: &Program) -> Result<(), Unsupported> {
    let problem = program.steps.iter().find_map(|step| match &step.op {
        Op::Experts(_) => Some("MLPs of experts have no backward pass"),
        Op::Keep(row) if *row != Row::Exact => Some("what a cache rounds has no backward pass"),
        Op::Attention(how) if how.held != Held::All => Some("a cache that drops tokens has no backward pass"),
        _ => None,
    });
    problem.map_or(Ok(()), |problem| Err(Unsupported(problem.to_owned())))
}

impl Runner<'_> {
    /// As [`run`](Self::run), with a tape for [`back`](Self::back).
    pub fn record(&self, program: &Program, residual: &mut Vec<f32>, wanted: Register) -> (Vec<f32>, Tape) {
        let mut tape = Tape::default();
        let found = self.execute(program, residual, wanted, &mut |_, _, _| {}, None, Some(&mut tape));
        (found, tape)
    }

    /// From the gradient by the rows of `of`, as `program` left them, to that by the rows of the residual stream that it began
    /// with. `observe` is called with the gradient by the outputs of each [`Op::Linear`], from the last to the first. The
    /// program is one that [`has_gradient`].
    pub fn back(
        &self,
        program: &Program,
        tape: &Tape,
        of: Register,
        gradient: Vec<f32>,
        observe: Observe<'_>,
    ) -> Vec<f32> {
        // Empty where nothing depends on what is in the register.
        let mut gradients: Vec<Vec<f32>> = vec![Vec::new(); program.widths.len()];
        gradients[of.0] = gradient;
        let mut product = Product::default();
        for (step, inputs) in program.steps.iter().zip(&tape.0).rev() {
            let gradient = std::mem::take(&mut gradients[step.to.0]);
            if gradient.is_empty() {
                continue;
            }
            let found = self.adjoint(step, program, inputs, gradient, &mut product, observe);
            for (register, found) in step.from.iter().zip(found) {
                let sum = &mut gradients[register.0];
                match sum.is_empty() {
                    true => *sum = found,
                    false => forward_rows::add(sum, &found),
                }
            }
        }
        std::mem::take(&mut gradients[RESIDUAL.0])
    }

    /// The gradients by what a step reads.
    fn adjoint(
        &self,
        step: &Step,
        program: &Program,
        inputs: &[Vec<f32>],
        mut gradient: Vec<f32>,
        product: &mut Product,
        observe: Observe<'_>,
    ) -> Vec<Vec<f32>> {
        let width = program.widths[step.to.0];
        let from_width = program.widths[step.from[0].0];
        let tokens = gradient.len() / width;
        let floats = |name: &Option<String>| name.as_ref().map(|name| self.matrices[name].floats());
        let place = Place { chunk: self.chunk, past: 0 };
        let mut back = |weight: &str, heads: usize, gradient: &[f32]| {
            let mut found = vec![0.0; tokens * from_width];
            product.back(gradient, &self.matrices[weight], heads, &mut found);
            vec![found]
        };
        match &step.op {
            Op::Linear { weight, .. } => {
                observe(weight, 0, &gradient);
                return back(weight, 1, &gradient);
            }
            Op::HeadLinear { weight, heads } => return back(weight, *heads, &gradient),
            Op::Norm { norm, width, weight, .. } => {
                rows::norm(&mut gradient, &inputs[0], *norm, *width, floats(weight).as_deref());
            }
            Op::Keep(_) | Op::Positions { .. } => {}
            Op::Rope { rope, head } => rope::rotate(&mut gradient, rope, Way::Back, *head, width, place),
            Op::Temperature { scale, every } => rope::temperature(&mut gradient, *scale, *every, width, place),
            Op::Attention(how) => {
                let [q, k, v] = [0, 1, 2].map(|n| inputs[n].as_slice());
                return attention::attention(how, floats(&how.sinks).as_deref(), [q, k, v], &gradient, place).into();
            }
            Op::Experts(_) => unreachable!("a program with experts has no gradient"),
            Op::Activate(activation) => rows::activate(&mut gradient, &inputs[0], *activation),
            Op::Gate(activation) => return rows::gate(gradient, &inputs[0], &inputs[1], *activation).into(),
            Op::Add => return vec![gradient.clone(), gradient],
            Op::Weigh => return rows::weigh(gradient, &inputs[0], &inputs[1]).into(),
            Op::Scale(by) => forward_rows::each(&mut gradient, |x| x * by),
            Op::Softcap(bound) => rows::times(&mut gradient, &inputs[0], |x| 1.0 - (x / bound).tanh().powi(2)),
            Op::Clamp(bound) => rows::times(&mut gradient, &inputs[0], |x| f32::from(u8::from(x.abs() < *bound))),
            Op::Columns { first, group } => {
                let mut found = vec![0.0; tokens * from_width];
                rows::put_columns(&mut found, &gradient, *first, [*group, group * width / from_width]);
                return vec![found];
            }
            Op::Join { heads } => {
                let (head, first) = (width / heads, from_width / heads);
                let mut parts = [vec![0.0; tokens * from_width], vec![0.0; tokens * (width - from_width)]];
                forward_rows::columns(&mut parts[0], &gradient, 0, [head, first]);
                forward_rows::columns(&mut parts[1], &gradient, first, [head, head - first]);
                return parts.into();
            }
        }
        vec![gradient]
    }
}
