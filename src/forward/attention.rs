//! Records attention: with query groups, and with latent keys and values (MLA).

use super::record::Recorder;
use super::{Attention, Op, Register, Unsupported};
use crate::cache::Row;

impl Recorder<'_> {
    pub(super) fn attention(&mut self, input: Register, layer: u64) -> Result<Register, Unsupported> {
        let hparams = &self.model.hparams;
        let (heads, kv_heads) = (hparams.heads.at(layer) as usize, hparams.kv_heads.at(layer) as usize);
        let (key, value) = (hparams.key_head as usize, hparams.value_head as usize);
        if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(self.refuse(format!("{heads} query heads on {kv_heads} of layer {layer} cannot be run")));
        }
        let [q, k, v] = match hparams.kv_rank {
            0 => self.queries_keys_values(input, layer, [heads * key, kv_heads * key, kv_heads * value])?,
            rank => self.latent(input, layer, heads, rank as usize)?,
        };
        let attention = Attention {
            heads,
            kv_heads,
            key,
            value,
            scale: self.facts.attention_scale,
            window: self.facts.window(layer),
            softcap: self.facts.attention_softcap,
            alibi: self.facts.alibi,
            sinks: self.optional("attn_sinks.weight", &[heads])?,
            held: self.facts.cache.held,
        };
        let cache = self.facts.cache;
        self.keep(cache.queries, q);
        self.keep(cache.keys, k);
        let v = match hparams.kv_rank {
            0 => {
                self.keep(cache.values, v);
                v
            }
            _ if cache.keys == Row::Exact => v,
            // One row is kept, of which the values are a part.
            _ => self.columns(k, 0, value),
        };
        let mut seen = self.new_from(Op::Attention(attention), &[q, k, v], heads * value);
        if hparams.kv_rank > 0 {
            let width = hparams.mla_value_head as usize;
            let weight = self.shaped("attn_v_b.weight", &[value, width, heads])?;
            seen = self.new_from(Op::HeadLinear { weight, heads }, &[seen], heads * width);
        }
        self.linear(seen, "attn_output")
    }

    fn keep(&mut self, row: Row, register: Register) {
        if row != Row::Exact {
            self.push(Op::Keep(row), &[register], register);
        }
    }

    fn queries_keys_values(
        &mut self,
        input: Register,
        layer: u64,
        [queries, keys, values]: [usize; 3],
    ) -> Result<[Register; 3], Unsupported> {
        let rows = if self.has("attn_qkv.weight") {
            let fused = self.linear(input, "attn_qkv")?;
            if let Some(bound) = self.facts.clamp {
                self.push(Op::Clamp(bound), &[fused], fused);
            }
            self.expect(fused, queries + keys + values, "attn_qkv")?;
            [
                self.columns(fused, 0, queries),
                self.columns(fused, queries, keys),
                self.columns(fused, queries + keys, values),
            ]
        } else {
            let mut rows = [input; 3];
            for (n, (name, width)) in
                [("attn_q", queries), ("attn_k", keys), ("attn_v", values)].into_iter().enumerate()
            {
                rows[n] = self.linear(input, name)?;
                self.expect(rows[n], width, name)?;
                if let Some(bound) = self.facts.clamp {
                    self.push(Op::Clamp(bound), &[rows[n]], rows[n]);
                }
            }
            rows
        };
        let head = self.model.hparams.key_head as usize;
        let q = self.head(rows[0], "attn_q_norm", head, layer)?;
        let k = self.head(rows[1], "attn_k_norm", head, layer)?;
        if let Some((scale, every)) = self.facts.temperature {
            self.push(Op::Temperature { scale, every }, &[q], q);
        }
        Ok([q, k, rows[2]])
    }

    fn expect(&self, register: Register, width: usize, name: &str) -> Result<(), Unsupported> {
        match self.width(register) {
            found if found == width => Ok(()),
            found => Err(self.refuse(format!("{name} gives {found} numbers, and its heads have {width}"))),
        }
    }

    /// Norm and rotation of queries or keys.
    fn head(&mut self, rows: Register, norm: &str, head: usize, layer: u64) -> Result<Register, Unsupported> {
        let mut rows = rows;
        if let Some(weight) = self.tensor(&format!("{norm}.weight")) {
            // OLMo 2 norms the whole row, the others each head; Command R has factors of its own for each head.
            let whole = weight.shape.len() == 1 && weight.weights() as usize == self.width(rows);
            rows = self.norm_of(rows, norm, if whole { self.width(rows) } else { head })?;
        }
        if let Some(rope) = self.facts.rope(layer).cloned() {
            self.push(Op::Rope { rope, head }, &[rows], rows);
        }
        Ok(rows)
    }

    /// Queries that are taken to the space of the compressed keys and values, so that one head of these serves all. Each
    /// key is the compressed row and a rotated part; the value is the compressed row again.
    fn latent(&mut self, input: Register, layer: u64, heads: usize, rank: usize) -> Result<[Register; 3], Unsupported> {
        let hparams = &self.model.hparams;
        let (key, rope) = (hparams.mla_key_head as usize, hparams.rope_dims as usize);
        let sizes = [hparams.key_head, hparams.value_head, hparams.kv_heads.at(layer)].map(|size| size as usize);
        if sizes != [rank + rope, rank, 1] || key <= rope || hparams.mla_value_head == 0 {
            let problem = "its latent attention is written in an older way; convert the model again";
            return Err(self.refuse(problem.to_owned()));
        }
        let queries = if self.has("attn_q_a.weight") {
            let compressed = self.linear(input, "attn_q_a")?;
            let normed = self.norm(compressed, "attn_q_a_norm")?;
            self.linear(normed, "attn_q_b")?
        } else {
            self.linear(input, "attn_q")?
        };
        self.expect(queries, heads * key, "attn_q")?;
        let plain = key - rope;
        let q_plain = self.new_from(Op::Columns { first: 0, group: key }, &[queries], heads * plain);
        let q_turned = self.new_from(Op::Columns { first: plain, group: key }, &[queries], heads * rope);
        let weight = self.shaped("attn_k_b.weight", &[plain, rank, heads])?;
        let q_plain = self.new_from(Op::HeadLinear { weight, heads }, &[q_plain], heads * rank);
        let both = self.linear(input, "attn_kv_a_mqa")?;
        self.expect(both, rank + rope, "attn_kv_a_mqa")?;
        let (kv, k_turned) = (self.columns(both, 0, rank), self.columns(both, rank, rope));
        let kv = self.norm(kv, "attn_kv_a_norm")?;
        if let Some(how) = self.facts.rope(layer).cloned() {
            for rows in [q_turned, k_turned] {
                self.push(Op::Rope { rope: how.clone(), head: rope }, &[rows], rows);
            }
        }
        let q = self.new_from(Op::Join { heads }, &[q_plain, q_turned], heads * (rank + rope));
        let k = self.new_from(Op::Join { heads: 1 }, &[kv, k_turned], rank + rope);
        Ok([q, k, kv])
    }
}
