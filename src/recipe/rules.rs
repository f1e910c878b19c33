//! The type of each tensor, as llama-quantize chooses it (`src/llama-quant.cpp` in llama.cpp).
//!
//! Tensors are walked by layer, then by name, and some rules count how many of a kind came before.

use super::fallback::{Fallback, fall_back};
use super::mixture::{self, Part, Situation};
use super::preset::Preset;
use super::{Override, Recipe};
use crate::arch::{Hparams, Tensor};
use crate::quant::{FormatRef, MXFP4, Q3_K, Q4_K, Q5_K, Q8_0};
use std::collections::HashMap;

/// Parts of names whose tensors llama-quantize leaves alone, for they are small or too delicate.
static NEVER: &[&str] = &[
    "_norm.weight",
    // Routers of experts.
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    // Positions and kinds of tokens.
    "position_embd.weight",
    ".position_embd",
    "token_types.weight",
    "attn_rel_b.weight",
    // Small matrices of Gemma 3n, Mamba, LFM2 and MiniMax.
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    // RWKV.
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    // Eyes and ears.
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
];

/// Whether any recipe changes this tensor: matrices called `weight`, but no norms and no small parts.
pub fn quantizable(tensor: &Tensor) -> bool {
    let dimensions = tensor.shape.iter().rposition(|n| *n > 1).map_or(0, |last| last + 1);
    let name = tensor.name.as_str();
    dimensions >= 2 && name.ends_with("weight") && !NEVER.iter().any(|part| name.contains(part))
}

impl Recipe {
    /// Whether it may change this tensor.
    pub(super) fn may_change(&self, tensor: &Tensor) -> bool {
        quantizable(tensor) && !(self.leave_output && tensor.name == "output.weight")
    }

    /// The format named for this tensor as output or token embedding.
    pub(super) fn named(&self, tensor: &Tensor) -> Option<FormatRef> {
        match Part::of(&tensor.name) {
            Part::Output => self.output,
            // The embedding of each layer is large, and a matrix of its own where an override names it.
            Part::TokenEmbd if self.given(tensor).is_none() || tensor.name == "token_embd.weight" => {
                self.token_embedding
            }
            _ => None,
        }
    }

    /// The first override that names this tensor.
    pub(super) fn given(&self, tensor: &Tensor) -> Option<&Override> {
        self.overrides.iter().find(|given| given.pattern.is_match(&tensor.name))
    }
}

/// Chooses formats for a model's tensors in order; see [`Chooser::choose`].
pub(super) struct Chooser<'a> {
    recipe: &'a Recipe,
    hparams: &'a Hparams,
    is_tied: bool,
    values: u64,
    seen: HashMap<Part, u64>,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(recipe: &'a Recipe, hparams: &'a Hparams, tensors: &[Tensor]) -> Self {
        let part = |part: Part| tensors.iter().filter(move |t| Part::of(&t.name) == part);
        Self {
            recipe,
            hparams,
            is_tied: part(Part::Output).next().is_none(),
            values: part(Part::AttnV).count() as u64,
            seen: HashMap::new(),
        }
    }

    /// The format of the next tensor, and the fallback that led to it, if any.
    ///
    /// The formats named for the output and the token embedding are taken at their word, without a fallback.
    pub(super) fn choose(&mut self, tensor: &Tensor) -> (FormatRef, Option<Fallback>) {
        let recipe = self.recipe;
        if !recipe.may_change(tensor) {
            return (tensor.format, None);
        }
        if let Some(format) = recipe.mix.as_ref().and_then(|mix| mix.formats.get(&tensor.name)) {
            return (format, None);
        }
        let (part, given) = (Part::of(&tensor.name), recipe.given(tensor));
        if let Some(format) = recipe.named(tensor) {
            return (format, None);
        }
        let chosen = match (given, recipe.preset.format) {
            (Some(given), _) => return fall_back(tensor, given.format),
            (None, None) => (tensor.format, None),
            (None, Some(format)) if format.is_float() => (format, None),
            (None, Some(format)) if recipe.pure => fall_back(tensor, format),
            (None, Some(_)) if part == Part::Output || (self.is_tied && part == Part::TokenEmbd) => self.output(tensor),
            (None, Some(format)) => fall_back(tensor, self.mixture(tensor, part, format)),
        };
        let is_smaller = chosen.0.bits_per_weight() < MXFP4.bits_per_weight();
        if tensor.is_native_mxfp4() && !is_smaller && !recipe.pure { (&MXFP4, None) } else { chosen }
    }

    /// The output decides every token, so it gets more bits; a tied token embedding is the output.
    fn output(&self, tensor: &Tensor) -> (FormatRef, Option<Fallback>) {
        let Preset { output, format, .. } = self.recipe.preset;
        if let Some(named) = self.recipe.output {
            fall_back(tensor, named)
        } else if self.is_falcon() {
            fall_back(tensor, &Q8_0)
        } else if format.is_some_and(|format| !format.divides(tensor.columns())) {
            // Where the main format does not fit, 8 bits stand in for the output's, whatever its own fallback is.
            let (got, _) = fall_back(tensor, &Q8_0);
            (got, Some(Fallback::new(tensor, output, got)))
        } else {
            fall_back(tensor, output)
        }
    }

    fn mixture(&mut self, tensor: &Tensor, part: Part, main: FormatRef) -> FormatRef {
        let (preset, Hparams { layers, experts, heads, kv_heads, .. }) = (self.recipe.preset, self.hparams);
        let index = *self.seen.entry(part).and_modify(|seen| *seen += 1).or_default();
        let mut at = Situation {
            queries_per_value: heads.first().checked_div(kv_heads.first()).unwrap_or(0),
            experts: *experts,
            is_falcon: self.is_falcon(),
            has_imatrix: self.recipe.imatrix.is_some() || self.recipe.gram.is_some(),
            is_stack: tensor.shape.get(2).is_some_and(|n| *n > 1),
            index,
            count: *layers,
        };
        match part {
            Part::AttnV => at.count = self.values,
            // A layer with experts may have several such tensors, or none.
            Part::FfnDown | Part::FfnGate | Part::FfnUp if *experts > 1 && !preset.is_frugal => {
                at.index = tensor.layer().unwrap_or(at.index);
            }
            _ => {}
        }
        let chosen = mixture::first(preset.steps, part, &at).unwrap_or(main);
        match part {
            _ if preset.is_frugal => chosen,
            Part::AttnV | Part::AttnK if *experts == 8 => &Q8_0,
            Part::AttnV if self.is_70b() && [&Q3_K, &Q4_K].contains(&chosen) => &Q5_K,
            _ => chosen,
        }
    }

    fn is_falcon(&self) -> bool {
        self.hparams.architecture == "falcon"
    }

    /// What llama.cpp calls 70B: many query heads share a value head, so value matrices are small and bits for them cheap.
    fn is_70b(&self) -> bool {
        match (self.hparams.architecture.as_str(), self.hparams.layers) {
            ("llama", 80) => self.hparams.heads.first() != self.hparams.kv_heads.first(),
            ("qwen2" | "olmo" | "deci", 80) | ("jais2", 68) => true,
            _ => false,
        }
    }
}
