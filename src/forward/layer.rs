//! Records the programs of a model from the tensors it has.

use super::record::Recorder;
use super::{Facts, Op, Program, RESIDUAL, Register, Unsupported};
use crate::model::Model;

/// How many layers a forward pass has: those at the end that predict further tokens take no part.
pub fn layers(model: &Model) -> u64 {
    model.hparams.layers.saturating_sub(model.hparams.prediction_layers)
}

/// The program of a layer: the residual stream in, the residual stream out.
pub fn layer(model: &Model, facts: &Facts, number: u64) -> Result<Program, Unsupported> {
    let mut recorder = Recorder::new(model, facts, format!("blk.{number}."));
    recorder.layer(number)?;
    Ok(recorder.finish())
}

/// The program from the token embedding to the residual stream.
pub fn embedding(model: &Model, facts: &Facts) -> Result<Program, Unsupported> {
    let mut recorder = Recorder::new(model, facts, String::new());
    if recorder.has("token_embd_norm.weight") {
        let norm = recorder.norm(RESIDUAL, "token_embd_norm")?;
        let group = recorder.width(norm);
        recorder.push(Op::Columns { first: 0, group }, &[norm], RESIDUAL);
    }
    if facts.embedding_scale != 1.0 {
        recorder.push(Op::Scale(facts.embedding_scale), &[RESIDUAL], RESIDUAL);
    }
    if recorder.has("position_embd.weight") {
        let rows = model.hparams.context as usize;
        let weight = recorder.shaped("position_embd.weight", &[recorder.width(RESIDUAL), rows])?;
        recorder.push(Op::Positions { weight }, &[RESIDUAL], RESIDUAL);
    }
    Ok(recorder.finish())
}

/// The program from the residual stream to the logits, and the register they are in.
pub fn output(model: &Model, facts: &Facts) -> Result<(Program, Register), Unsupported> {
    let mut recorder = Recorder::new(model, facts, String::new());
    let rows = recorder.norm(RESIDUAL, "output_norm")?;
    let matrix = if recorder.has("output.weight") { "output" } else { "token_embd" };
    let logits = recorder.linear(rows, matrix)?;
    if facts.logit_scale != 1.0 {
        recorder.push(Op::Scale(facts.logit_scale), &[logits], logits);
    }
    if let Some(bound) = facts.logit_softcap {
        recorder.push(Op::Softcap(bound), &[logits], logits);
    }
    Ok((recorder.finish(), logits))
}

impl Recorder<'_> {
    fn layer(&mut self, number: u64) -> Result<(), Unsupported> {
        // OLMo has norms without factors; OLMo 2 and EXAONE 4 norm only what a block computed.
        let norms_input = self.has("attn_norm.weight") || self.facts.bare_norms;
        let input = if norms_input { self.norm(RESIDUAL, "attn_norm")? } else { RESIDUAL };
        // Falcon 40B norms what its attention reads apart, most that have no second norm read the same twice.
        let attended = if self.has("attn_norm_2.weight") { self.norm(RESIDUAL, "attn_norm_2")? } else { input };
        let mut attention = self.attention(attended, number)?;
        let before_mlp = self.facts.mlp_norm;
        if before_mlp != "post_attention_norm" && self.has("post_attention_norm.weight") {
            attention = self.norm(attention, "post_attention_norm")?;
        }
        let norms_mlp = self.has(&format!("{before_mlp}.weight")) || self.facts.bare_norms;
        let norms_block = self.has("post_ffw_norm.weight");
        if self.facts.parallel || !norms_mlp && !norms_block {
            let rows = if norms_mlp { self.norm(RESIDUAL, before_mlp)? } else { input };
            let mlp = self.mlp(rows, number)?;
            self.add(attention);
            self.add(mlp);
            return Ok(());
        }
        self.add(attention);
        let rows = if norms_mlp { self.norm(RESIDUAL, before_mlp)? } else { RESIDUAL };
        let mut mlp = self.mlp(rows, number)?;
        if norms_block {
            mlp = self.norm(mlp, "post_ffw_norm")?;
        }
        self.add(mlp);
        Ok(())
    }
}
