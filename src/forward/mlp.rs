//! Records MLPs: plain and gated, of experts, and with experts that every token sees.

use super::record::Recorder;
use super::{Activation, Experts, Op, Register, Unsupported};

impl Recorder<'_> {
    pub(super) fn mlp(&mut self, rows: Register, layer: u64) -> Result<Register, Unsupported> {
        if !self.has("ffn_gate_inp.weight") {
            return self.dense(rows, "");
        }
        let experts = self.experts(rows, layer)?;
        if !self.has("ffn_up_shexp.weight") {
            return Ok(experts);
        }
        let mut shared = self.dense(rows, "_shexp")?;
        if self.has("ffn_gate_inp_shexp.weight") {
            let share = self.linear(rows, "ffn_gate_inp_shexp")?;
            self.push(Op::Activate(Activation::Sigmoid), &[share], share);
            let width = self.width(shared);
            shared = self.new_from(Op::Weigh, &[shared, share], width);
        }
        Ok(self.push(Op::Add, &[experts, shared], experts))
    }

    fn dense(&mut self, rows: Register, suffix: &str) -> Result<Register, Unsupported> {
        let activation = self.facts.activation;
        let [gate, up, down] = ["ffn_gate", "ffn_up", "ffn_down"].map(|name| format!("{name}{suffix}"));
        let middle = if self.has(&format!("{gate}.weight")) {
            let (gate, up) = (self.linear(rows, &gate)?, self.linear(rows, &up)?);
            let width = self.width(up);
            self.new_from(Op::Gate(activation), &[gate, up], width)
        } else {
            let up = self.linear(rows, &up)?;
            // Phi 3 and GLM 4 hold gate and up in one matrix.
            let inner = self.required(&format!("{down}.weight"))?.columns() as usize;
            let width = self.width(up);
            if 2 * inner == width {
                let (gate, up) = (self.columns(up, 0, inner), self.columns(up, inner, inner));
                self.new_from(Op::Gate(activation), &[gate, up], inner)
            } else {
                self.new_from(Op::Activate(activation), &[up], width)
            }
        };
        self.linear(middle, &down)
    }

    fn experts(&mut self, rows: Register, layer: u64) -> Result<Register, Unsupported> {
        let logits = self.linear(rows, "ffn_gate_inp")?;
        let (hidden, count) = (self.width(rows), self.width(logits));
        let routing = &self.facts.routing;
        if !(1..=count).contains(&routing.used) || !count.is_multiple_of(routing.groups[0]) {
            return Err(self.refuse(format!(
                "{} of {count} experts in {} groups were to be used in layer {layer}",
                routing.used, routing.groups[0]
            )));
        }
        let inner = self.required("ffn_down_exps.weight")?.columns() as usize;
        let shapes =
            [("ffn_gate_exps", [hidden, inner]), ("ffn_up_exps", [hidden, inner]), ("ffn_down_exps", [inner, hidden])];
        let mut matrices: [String; 3] = Default::default();
        let mut biases: [Option<String>; 3] = Default::default();
        for (n, (name, [inputs, outputs])) in shapes.into_iter().enumerate() {
            matrices[n] = self.shaped(&format!("{name}.weight"), &[inputs, outputs, count])?;
            biases[n] = self.optional(&format!("{name}.bias"), &[outputs, count])?;
        }
        let experts = Experts {
            count,
            used: routing.used,
            gating: routing.gating,
            bias: self.optional("exp_probs_b.bias", &[count])?,
            groups: routing.groups,
            normed: routing.normed,
            scale: routing.scale,
            activation: routing.activation,
            matrices,
            biases,
        };
        Ok(self.new_from(Op::Experts(experts), &[rows, logits], hidden))
    }
}
