//! Multi-head latent attention with absorbed projections: `llama_model_deepseek2::graph`. A cached row is one key for all
//! heads, and its first part is the value.

use super::attention::Attended;
use super::decoder::Decoder;
use super::tape::Node;
use crate::fit::subject::{Layer, Mixer};

impl Decoder<'_> {
    pub(super) fn latent(&mut self, layer: &Layer, x: Node) -> Node {
        let Layer { mixer: Mixer::Latent { heads, rank, rope, nope, value }, parts, .. } = layer else { return x };
        let (heads, rank, rope, nope, tokens) = (*heads, *rank, *rope, *nope, self.tokens);
        let Some(cache) = self.caches[0] else { return x };
        let q = match parts.has("attn_q_a.weight") {
            true => {
                let narrow = self.project(parts, "attn_q_a", x);
                let narrow = self.norm(narrow, parts, "attn_q_a_norm");
                self.project(parts, "attn_q_b", narrow)
            }
            false => self.project(parts, "attn_q", x),
        };
        let q = self.tape.view(q, [nope + rope, heads, tokens, 1]);
        let row = self.project(parts, "attn_kv_a_mqa", x);
        let compressed = self.tape.view(row, [rank, tokens, 1, 1]);
        let turning = self.tape.view(row, [rope, 1, tokens, 1]);
        let turned_key = self.tape.map(&[turning, self.positions]);
        let compressed = self.norm(compressed, parts, "attn_kv_a_norm");
        let still = self.tape.view(q, [nope, heads, tokens, 1]);
        let turning = self.tape.view(q, [rope, heads, tokens, 1]);
        let turned = self.tape.map(&[turning, self.positions]);
        let by_head = self.tape.view(still, [nope, tokens, heads, 1]);
        let absorbed = self.tape.multiply(rank, by_head);
        let absorbed = self.tape.view(absorbed, [rank, heads, tokens, 1]);
        let queries = self.tape.compute([rank + rope, heads, tokens, 1], &[absorbed, turned]);
        let values = self.tape.view(compressed, [rank, 1, tokens, 1]);
        let keys = self.tape.compute([rank + rope, 1, tokens, 1], &[values, turned_key]);
        [queries, values, keys].into_iter().for_each(|node| self.tape.expand(node));
        let rows = self.tape.view(keys, [rank + rope, tokens, 1, 1]);
        self.tape.store(&[rows, cache.key_cells], self.home);
        let attended = Attended { queries, kv_heads: 1, sizes: [rank + rope, rank], restored: Some(*value) };
        let out = self.attend(&cache, &attended);
        self.project(parts, "attn_output", out)
    }
}
