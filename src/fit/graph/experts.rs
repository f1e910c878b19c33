//! MLPs, dense and of experts: `build_ffn` and `build_moe_ffn` in `llama-graph.cpp`.

use super::decoder::Decoder;
use super::tape::Node;
use crate::fit::subject::Parts;

impl Decoder<'_> {
    pub(super) fn feed_forward(&mut self, parts: &Parts, x: Node) -> Node {
        if !parts.has("ffn_gate_inp.weight") {
            return self.mlp(parts, "", x);
        }
        let out = self.experts(parts, x);
        if !parts.has("ffn_up_shexp.weight") {
            return out;
        }
        // Experts that every token sees, in some families with a gate of their own.
        let gate = parts.has("ffn_gate_inp_shexp.weight").then(|| {
            let logit = self.tape.multiply(1, x);
            let bent = self.tape.map(&[logit]);
            self.tape.map(&[bent, logit])
        });
        let mut shared = self.mlp(parts, "_shexp", x);
        if let Some(gate) = gate {
            shared = self.tape.map(&[shared, gate]);
        }
        self.tape.map(&[out, shared])
    }

    fn mlp(&mut self, parts: &Parts, suffix: &str, x: Node) -> Node {
        let (up, gate, down) = (format!("ffn_up{suffix}"), format!("ffn_gate{suffix}"), format!("ffn_down{suffix}"));
        if parts.weight(&up).is_none() {
            return x;
        }
        let raised = self.project(parts, &up, x);
        let [rows, tokens, ..] = self.tape.shape(raised);
        let width = parts.weight(&down).map_or(rows, |part| part.shape[0]);
        let bent = if parts.weight(&gate).is_some() {
            let gate = self.project(parts, &gate, x);
            self.tape.compute([width, tokens, 1, 1], &[gate, raised])
        } else if rows == 2 * width {
            // Gate and up in one matrix.
            self.tape.compute([width, tokens, 1, 1], &[raised])
        } else {
            self.tape.map(&[raised])
        };
        self.project(parts, &down, bent)
    }

    fn experts(&mut self, parts: &Parts, x: Node) -> Node {
        let (used, count) = (self.subject.experts_used, self.subject.experts);
        let [hidden, tokens, ..] = self.tape.shape(x);
        let logits = self.project(parts, "ffn_gate_inp", x);
        // gpt-oss bends the logits only after it has chosen.
        let bends_late = self.subject.family.post_norm_is_ffn_norm;
        let odds = if bends_late { logits } else { self.tape.map(&[logits]) };
        let ranked = if parts.has("exp_probs_b.bias") { self.tape.map(&[odds]) } else { odds };
        let ranked = if self.subject.expert_groups > 1 { self.best_groups(ranked) } else { ranked };
        let sorted = self.tape.compute([count, tokens, 1, 1], &[ranked]);
        let chosen = self.tape.view(sorted, [used, tokens, 1, 1]);
        let listed = self.tape.view(odds, [1, count, tokens, 1]);
        let mut weights = self.tape.compute([1, used, tokens, 1], &[listed, chosen]);
        if bends_late {
            let flat = self.tape.view(weights, [used, tokens, 1, 1]);
            let bent = self.tape.map(&[flat]);
            weights = self.tape.view(bent, [1, used, tokens, 1]);
        }
        if self.subject.family.normed_experts {
            let flat = self.tape.view(weights, [used, tokens, 1, 1]);
            let sum = self.tape.compute([1, tokens, 1, 1], &[flat]);
            let sum = self.tape.map(&[sum]);
            let normed = self.tape.map(&[flat, sum]);
            weights = self.tape.view(normed, [1, used, tokens, 1]);
        }
        if self.subject.scales_experts {
            weights = self.tape.map(&[weights]);
        }
        self.tape.expand(weights);
        let each = self.tape.view(x, [hidden, 1, tokens, 1]);
        let up = self.of_experts(parts, "ffn_up_exps", each, chosen);
        let width = parts.get("ffn_down_exps.weight").map_or(0, |part| part.shape[0]);
        let bent = if parts.has("ffn_gate_exps.weight") {
            let gate = self.of_experts(parts, "ffn_gate_exps", each, chosen);
            self.tape.compute([width, used, tokens, 1], &[gate, up])
        } else {
            self.tape.map(&[up])
        };
        let down = self.of_experts(parts, "ffn_down_exps", bent, chosen);
        let weighted = self.tape.map(&[down, weights]);
        self.tape.expand(weighted);
        let said: Vec<Node> = (0..used).map(|_| self.tape.view(weighted, [hidden, tokens, 1, 1])).collect();
        said.iter().for_each(|node| self.tape.expand(*node));
        let Some((first, others)) = said.split_first() else { return x };
        if others.is_empty() {
            return self.tape.copy(*first, [hidden, tokens, 1, 1]);
        }
        others.iter().fold(*first, |sum, node| {
            let sum = self.tape.map(&[sum, *node]);
            self.tape.expand(sum);
            sum
        })
    }

    /// The chosen experts' matrices times their tokens.
    fn of_experts(&mut self, parts: &Parts, name: &str, x: Node, chosen: Node) -> Node {
        let [_, _, tokens, _] = self.tape.shape(x);
        let (rows, bytes) = parts.weight(name).map_or((0, 0), |part| (part.rows(), part.bytes));
        let weight = self.borrowed(bytes, self.experts_home);
        let sources: Vec<Node> = weight.into_iter().chain([x, chosen]).collect();
        let out = self.tape.compute([rows, self.subject.experts_used, tokens, 1], &sources);
        if parts.has_bias(name) { self.tape.map(&[out, chosen]) } else { out }
    }

    /// Leaves only the experts of the best groups (DeepSeek V3).
    fn best_groups(&mut self, ranked: Node) -> Node {
        let (groups, count, tokens) = (self.subject.expert_groups, self.subject.experts, self.tokens_of(ranked));
        let used = self.subject.expert_groups_used;
        let members = count / groups;
        let grouped = self.tape.view(ranked, [members, groups, tokens, 1]);
        let sorted = self.tape.compute([members, groups, tokens, 1], &[grouped]);
        let best = self.tape.view(sorted, [2, groups, tokens, 1]);
        let listed = self.tape.view(grouped, [1, members, groups, tokens]);
        let scores = self.tape.compute([1, 2, groups, tokens], &[listed, best]);
        let scores = self.tape.view(scores, [2, groups, tokens, 1]);
        let sums = self.tape.compute([1, groups, tokens, 1], &[scores]);
        let sums = self.tape.view(sums, [groups, tokens, 1, 1]);
        let sorted = self.tape.compute([groups, tokens, 1, 1], &[sums]);
        let chosen = self.tape.view(sorted, [used, tokens, 1, 1]);
        let kept = self.tape.compute([members, used, tokens, 1], &[grouped, chosen]);
        let empty = self.tape.map(&[grouped]);
        let masked = self.tape.overwrite(empty, &[kept, chosen]);
        self.tape.view(masked, [count, tokens, 1, 1])
    }

    fn tokens_of(&self, x: Node) -> u64 {
        self.tape.shape(x)[1]
    }
}
