//! Records the programs of a model from the tensors it has.

use super::{Attention, Facts, Norm, Op, Program, RESIDUAL, Register, Step};
use crate::model::Model;
use std::collections::HashSet;

/// What a program is recorded from, and what there is of it.
struct Recorder<'a> {
    model: &'a Model,
    facts: &'a Facts,
    names: HashSet<&'a str>,
    prefix: String,
    program: Program,
}

/// The program of a layer: the residual stream in, the residual stream out.
pub fn layer(model: &Model, facts: &Facts, number: u64) -> Program {
    let mut recorder = Recorder::new(model, facts, format!("blk.{number}."));
    recorder.layer(number);
    recorder.program
}

/// The program from the token embedding to the residual stream.
pub fn embedding(model: &Model, facts: &Facts) -> Program {
    let mut recorder = Recorder::new(model, facts, String::new());
    if recorder.has("token_embd_norm.weight") {
        let norm = recorder.norm(RESIDUAL, "token_embd_norm");
        recorder.copy(norm);
    }
    if facts.embedding_scale != 1.0 {
        recorder.push(Op::Scale(facts.embedding_scale), &[RESIDUAL], RESIDUAL);
    }
    recorder.program
}

/// The program from the residual stream to the logits, and the register they are in.
pub fn output(model: &Model, facts: &Facts) -> (Program, Register) {
    let mut recorder = Recorder::new(model, facts, String::new());
    let rows = recorder.norm(RESIDUAL, "output_norm");
    let matrix = if recorder.has("output.weight") { "output" } else { "token_embd" };
    let logits = recorder.linear(rows, matrix);
    if facts.logit_scale != 1.0 {
        recorder.push(Op::Scale(facts.logit_scale), &[logits], logits);
    }
    if let Some(bound) = facts.logit_softcap {
        recorder.push(Op::Softcap(bound), &[logits], logits);
    }
    (recorder.program, logits)
}

impl<'a> Recorder<'a> {
    fn new(model: &'a Model, facts: &'a Facts, prefix: String) -> Self {
        let names = model.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let program = Program { widths: vec![model.hparams.hidden as usize], steps: Vec::new() };
        Self { model, facts, names, prefix, program }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(format!("{}{name}", self.prefix).as_str())
    }

    /// The full name of a tensor, where there is such a one.
    fn find(&self, name: &str, part: &str) -> Option<String> {
        let name = format!("{}{name}.{part}", self.prefix);
        self.names.contains(name.as_str()).then_some(name)
    }

    fn register(&mut self, width: usize) -> Register {
        self.program.widths.push(width);
        Register(self.program.widths.len() - 1)
    }

    fn width(&self, register: Register) -> usize {
        self.program.widths[register.0]
    }

    fn push(&mut self, op: Op, from: &[Register], to: Register) -> Register {
        self.program.steps.push(Step { op, from: from.to_vec(), to });
        to
    }

    /// Into a register of its own.
    fn new_from(&mut self, op: Op, from: &[Register], width: usize) -> Register {
        let to = self.register(width);
        self.push(op, from, to)
    }

    fn copy(&mut self, from: Register) {
        self.push(Op::Columns(0), &[from], RESIDUAL);
    }

    fn norm(&mut self, from: Register, name: &str) -> Register {
        let width = self.width(from);
        let op = self.norm_op(name, width);
        self.new_from(op, &[from], width)
    }

    fn norm_op(&self, name: &str, width: usize) -> Op {
        let norm: Norm = self.facts.norm;
        Op::Norm { norm, width, weight: self.find(name, "weight"), bias: self.find(name, "bias") }
    }

    fn linear(&mut self, from: Register, name: &str) -> Register {
        let weight = format!("{}{name}.weight", self.prefix);
        let found = self.model.tensors.iter().find(|tensor| tensor.name == weight);
        let width = found.map_or(0, |tensor| tensor.shape[1] as usize);
        let bias = self.find(name, "bias");
        self.new_from(Op::Linear { weight, bias }, &[from], width)
    }

    fn columns(&mut self, from: Register, first: usize, width: usize) -> Register {
        self.new_from(Op::Columns(first), &[from], width)
    }

    /// The residual stream gets what a block computed.
    fn add(&mut self, block: Register) {
        if self.facts.residual_scale != 1.0 {
            self.push(Op::Scale(self.facts.residual_scale), &[block], block);
        }
        self.push(Op::Add, &[RESIDUAL, block], RESIDUAL);
    }

    fn layer(&mut self, number: u64) {
        // Olmo 2 and EXAONE 4 norm only what a block computed.
        let input = if self.has("attn_norm.weight") { self.norm(RESIDUAL, "attn_norm") } else { RESIDUAL };
        let mut attention = self.attention(input, number);
        if self.has("post_attention_norm.weight") {
            attention = self.norm(attention, "post_attention_norm");
        }
        let (has_norm, has_post) = (self.has("ffn_norm.weight"), self.has("post_ffw_norm.weight"));
        if self.facts.parallel || !has_norm && !has_post {
            // Falcon 40B norms the two apart, most norm once for both.
            let rows = match (self.has("attn_norm_2.weight"), has_norm) {
                (true, _) => self.norm(RESIDUAL, "attn_norm_2"),
                (false, true) => self.norm(RESIDUAL, "ffn_norm"),
                (false, false) => input,
            };
            let mlp = self.mlp(rows);
            self.add(attention);
            self.add(mlp);
            return;
        }
        self.add(attention);
        let rows = if has_norm { self.norm(RESIDUAL, "ffn_norm") } else { RESIDUAL };
        let mut mlp = self.mlp(rows);
        if has_post {
            mlp = self.norm(mlp, "post_ffw_norm");
        }
        self.add(mlp);
    }

    fn attention(&mut self, input: Register, number: u64) -> Register {
        let hparams = &self.model.hparams;
        let (heads, kv_heads) = (hparams.heads.at(number) as usize, hparams.kv_heads.at(number) as usize);
        let (key, value) = (hparams.key_head as usize, hparams.value_head as usize);
        let [q, k, v] = if self.has("attn_qkv.weight") {
            let fused = self.linear(input, "attn_qkv");
            [
                self.columns(fused, 0, heads * key),
                self.columns(fused, heads * key, kv_heads * key),
                self.columns(fused, (heads + kv_heads) * key, kv_heads * value),
            ]
        } else {
            ["attn_q", "attn_k", "attn_v"].map(|name| self.linear(input, name))
        };
        let q = self.head(q, "attn_q_norm", key, number);
        let k = self.head(k, "attn_k_norm", key, number);
        let attention = Attention {
            heads,
            kv_heads,
            key,
            value,
            scale: self.facts.attention_scale,
            window: self.facts.window(number),
            softcap: self.facts.attention_softcap,
        };
        let mut seen = self.new_from(Op::Attention(attention), &[q, k, v], heads * value);
        if self.has("attn_sub_norm.weight") {
            seen = self.norm(seen, "attn_sub_norm");
        }
        self.linear(seen, "attn_output")
    }

    /// Norm and rotation of queries or keys.
    fn head(&mut self, rows: Register, norm: &str, head: usize, number: u64) -> Register {
        let mut rows = rows;
        if let Some(weight) = self.find(norm, "weight") {
            // Olmo 2 norms the whole row, the others each head; Command R has factors of its own for each head.
            let found = self.model.tensors.iter().find(|tensor| tensor.name == weight);
            let whole = found.is_some_and(|t| t.shape.len() == 1 && t.shape[0] as usize == self.width(rows));
            let width = if whole { self.width(rows) } else { head };
            let op = self.norm_op(norm, width);
            rows = self.new_from(op, &[rows], self.width(rows));
        }
        let rope = if self.facts.window(number).is_some() { &self.facts.rope_in_window } else { &self.facts.rope };
        if let Some(rope) = rope.clone() {
            self.push(Op::Rope { rope, head }, &[rows], rows);
        }
        rows
    }

    fn mlp(&mut self, rows: Register) -> Register {
        let activation = self.facts.activation;
        let middle = if self.has("ffn_gate.weight") {
            let gate = self.linear(rows, "ffn_gate");
            let up = self.linear(rows, "ffn_up");
            let width = self.width(up);
            self.new_from(Op::Gate(activation), &[gate, up], width)
        } else {
            let up = self.linear(rows, "ffn_up");
            // Phi 3 and GLM 4 hold gate and up in one matrix.
            let down = format!("{}ffn_down.weight", self.prefix);
            let inner = self.model.tensors.iter().find(|tensor| tensor.name == down).map(|t| t.shape[0] as usize);
            let width = self.width(up);
            match inner {
                Some(inner) if 2 * inner == width => {
                    let (gate, up) = (self.columns(up, 0, inner), self.columns(up, inner, inner));
                    self.new_from(Op::Gate(activation), &[gate, up], inner)
                }
                _ => self.new_from(Op::Activate(activation), &[up], width),
            }
        };
        self.linear(middle, "ffn_down")
    }
}
