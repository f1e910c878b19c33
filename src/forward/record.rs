//! Recording steps, with the tensors they need looked up and their shapes compared.

use super::{Facts, Op, Program, RESIDUAL, Register, Step, Unsupported};
use crate::arch::Tensor;
use crate::model::Model;
use std::collections::HashMap;

/// What a program is recorded from, and what there is of it.
pub(super) struct Recorder<'a> {
    pub(super) model: &'a Model,
    pub(super) facts: &'a Facts,
    tensors: HashMap<&'a str, &'a Tensor>,
    prefix: String,
    program: Program,
}

impl<'a> Recorder<'a> {
    /// Of the tensors whose names begin with `prefix`.
    pub(super) fn new(model: &'a Model, facts: &'a Facts, prefix: String) -> Self {
        let own = model.tensors.iter().filter(|tensor| tensor.name.starts_with(&prefix));
        let tensors = own.map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let program = Program { widths: vec![model.hparams.hidden as usize], steps: Vec::new() };
        Self { model, facts, tensors, prefix, program }
    }

    /// What was recorded.
    pub(super) fn finish(self) -> Program {
        self.program
    }

    /// A refusal of the model.
    pub(super) fn refuse(&self, problem: String) -> Unsupported {
        Unsupported(format!("{}: {problem}", self.model.path.display()))
    }

    /// A tensor by its name without the prefix.
    pub(super) fn tensor(&self, name: &str) -> Option<&'a Tensor> {
        self.tensors.get(format!("{}{name}", self.prefix).as_str()).copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensor(name).is_some()
    }

    /// A tensor that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&'a Tensor, Unsupported> {
        self.tensor(name)
            .ok_or_else(|| self.refuse(format!("it has no tensor {}{name}, and needs it to run", self.prefix)))
    }

    /// The full name of a tensor, whose shape has to be this; sizes of 1 at the end count for nothing.
    pub(super) fn shaped(&self, name: &str, shape: &[usize]) -> Result<String, Unsupported> {
        let tensor = self.required(name)?;
        let found: Vec<usize> = tensor.shape.iter().map(|size| *size as usize).collect();
        let same = (0..found.len().max(shape.len()))
            .all(|axis| found.get(axis).unwrap_or(&1) == shape.get(axis).unwrap_or(&1));
        match same {
            true => Ok(tensor.name.clone()),
            false => {
                Err(self
                    .refuse(format!("the tensor {} has the shape {found:?}, and {shape:?} was expected", tensor.name)))
            }
        }
    }

    /// The same of a tensor that may be missing.
    pub(super) fn optional(&self, name: &str, shape: &[usize]) -> Result<Option<String>, Unsupported> {
        self.has(name).then(|| self.shaped(name, shape)).transpose()
    }

    pub(super) fn register(&mut self, width: usize) -> Register {
        self.program.widths.push(width);
        Register(self.program.widths.len() - 1)
    }

    pub(super) fn width(&self, register: Register) -> usize {
        self.program.widths[register.0]
    }

    pub(super) fn push(&mut self, op: Op, from: &[Register], to: Register) -> Register {
        self.program.steps.push(Step { op, from: from.to_vec(), to });
        to
    }

    /// Into a register of its own.
    pub(super) fn new_from(&mut self, op: Op, from: &[Register], width: usize) -> Register {
        let to = self.register(width);
        self.push(op, from, to)
    }

    /// Columns from the first on, as many as that.
    pub(super) fn columns(&mut self, from: Register, first: usize, width: usize) -> Register {
        let group = self.width(from);
        self.new_from(Op::Columns { first, group }, &[from], width)
    }

    /// The product with the matrix of that name, and its bias.
    pub(super) fn linear(&mut self, from: Register, name: &str) -> Result<Register, Unsupported> {
        let outputs = self.required(&format!("{name}.weight"))?.shape.get(1).map_or(1, |size| *size as usize);
        let weight = self.shaped(&format!("{name}.weight"), &[self.width(from), outputs])?;
        let bias = self.optional(&format!("{name}.bias"), &[outputs])?;
        Ok(self.new_from(Op::Linear { weight, bias }, &[from], outputs))
    }

    /// The norm of that name, over whole rows.
    pub(super) fn norm(&mut self, from: Register, name: &str) -> Result<Register, Unsupported> {
        let width = self.width(from);
        self.norm_of(from, name, width)
    }

    /// The same of each `width` numbers. There are as many factors, or one for each number of a row.
    pub(super) fn norm_of(&mut self, from: Register, name: &str, width: usize) -> Result<Register, Unsupported> {
        let row = self.width(from);
        let part = |part: &str| {
            let name = format!("{name}.{part}");
            let weights = self.tensor(&name).map(|tensor| tensor.weights() as usize);
            match weights {
                None => Ok(None),
                Some(weights) if weights == width || weights == row => Ok(Some(format!("{}{name}", self.prefix))),
                Some(weights) => Err(self.refuse(format!(
                    "the tensor {}{name} has {weights} numbers, and {width} were expected",
                    self.prefix
                ))),
            }
        };
        let op = Op::Norm { norm: self.facts.norm, width, weight: part("weight")?, bias: part("bias")? };
        Ok(self.new_from(op, &[from], row))
    }

    /// The residual stream gets what a block computed.
    pub(super) fn add(&mut self, block: Register) {
        if self.facts.residual_scale != 1.0 {
            self.push(Op::Scale(self.facts.residual_scale), &[block], block);
        }
        self.push(Op::Add, &[RESIDUAL, block], RESIDUAL);
    }
}
