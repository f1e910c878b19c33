//! The type of each tensor, as llama-quantize chooses it (`src/llama-quant.cpp` in llama.cpp).
//!
//! Tensors are walked by layer, then by name, and some rules count how many of a kind came before.

use super::preset::{Bump, Preset};
use super::{Fallback, Recipe};
use crate::arch::{Hparams, Tensor};
use crate::quant::{F16, FormatRef, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};

/// Parts of names whose tensors llama-quantize leaves alone.
const NEVER: &[&str] =
    &["_norm.weight", "ffn_gate_inp.weight", ".position_embd", "position_embd.weight", "token_types.weight"];

/// What a format becomes where it does not divide a row.
static DEMOTIONS: &[(FormatRef, FormatRef)] = &[(&Q4_K, &Q5_0), (&Q5_K, &Q5_1), (&Q6_K, &Q8_0)];

/// Whether a recipe may change this tensor: matrices called `weight`, but no norms.
pub fn quantizable(name: &str, shape: &[u64]) -> bool {
    let dimensions = shape.iter().rposition(|n| *n > 1).map_or(0, |last| last + 1);
    dimensions >= 2 && name.ends_with("weight") && !NEVER.iter().any(|part| name.contains(part))
}

/// Chooses formats for a model's tensors in order; see [`Chooser::choose`].
pub(super) struct Chooser<'a> {
    recipe: &'a Recipe,
    tied: bool,
    layers: u64,
    attn_v_total: u64,
    attn_v_seen: u64,
    ffn_down_seen: u64,
    /// Models of 80 layers share each value head among many query heads, so their value projections are small and cheap.
    is_70b: bool,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(recipe: &'a Recipe, hparams: &Hparams, tensors: &[Tensor]) -> Self {
        Self {
            recipe,
            tied: !tensors.iter().any(|t| t.name == "output.weight"),
            layers: hparams.layers,
            attn_v_total: tensors.iter().filter(|t| t.name.contains("attn_v.weight")).count() as u64,
            attn_v_seen: 0,
            ffn_down_seen: 0,
            is_70b: hparams.layers == 80
                && match hparams.arch.name {
                    "llama" => hparams.heads != hparams.kv_heads,
                    name => name == "qwen2",
                },
        }
    }

    /// The format of the next tensor, and the fallback that led to it, if any.
    pub(super) fn choose(&mut self, tensor: &Tensor) -> (FormatRef, Option<Fallback>) {
        if !quantizable(&tensor.name, &tensor.shape) {
            return (tensor.format, None);
        }
        if let Some(chosen) = self.recipe.overrides.iter().find(|o| o.pattern.is_match(&tensor.name)) {
            return fall_back(tensor, chosen.format);
        }
        match self.recipe.preset.format {
            None => (tensor.format, None),
            Some(format) if format.is_float() => (format, None),
            Some(format) => self.mixture(tensor, self.recipe.preset, format),
        }
    }

    fn mixture(&mut self, tensor: &Tensor, preset: &Preset, format: FormatRef) -> (FormatRef, Option<Fallback>) {
        let name = tensor.name.as_str();
        if name == "output.weight" || (self.tied && name == "token_embd.weight") {
            // The output decides every token, so it gets at least 6 bits.
            return if !format.divides(tensor.columns()) {
                (&Q8_0, Some(Fallback::new(tensor, format, &Q8_0))).divisible(tensor)
            } else if *format == Q8_0 {
                (format, None)
            } else {
                fall_back(tensor, &Q6_K)
            };
        }
        let mut chosen = format;
        if name.contains("attn_v.weight") {
            chosen = apply(preset.attn_v, format, self.attn_v_seen, self.attn_v_total);
            if self.is_70b && *chosen == Q4_K {
                chosen = &Q5_K;
            }
            self.attn_v_seen += 1;
        } else if name.contains("ffn_down") {
            chosen = apply(preset.ffn_down, format, self.ffn_down_seen, self.layers);
            self.ffn_down_seen += 1;
        }
        fall_back(tensor, chosen)
    }
}

fn apply(bump: Bump, format: FormatRef, index: u64, total: u64) -> FormatRef {
    let eighth = total / 8;
    match bump {
        Bump::Scattered(more) if index < eighth || index >= 7 * total / 8 || (index - eighth) % 3 == 2 => more,
        Bump::FirstEighth(more) if index < eighth => more,
        Bump::FirstFour(more) if index < 4 => more,
        _ => format,
    }
}

/// What a tensor gets where `wanted` is asked for: that, or what it falls back to.
pub fn fall_back(tensor: &Tensor, wanted: FormatRef) -> (FormatRef, Option<Fallback>) {
    if wanted.divides(tensor.columns()) {
        return (wanted, None);
    }
    let demoted = DEMOTIONS.iter().find(|(from, _)| *from == wanted).map_or(wanted, |(_, to)| to);
    (demoted, Some(Fallback::new(tensor, wanted, demoted))).divisible(tensor)
}

trait Divisible {
    fn divisible(self, tensor: &Tensor) -> Self;
}

impl Divisible for (FormatRef, Option<Fallback>) {
    /// F16 is the last resort for rows that no block divides.
    fn divisible(self, tensor: &Tensor) -> Self {
        match self {
            (format, Some(fallback)) if !format.divides(tensor.columns()) => {
                (&F16, Some(Fallback { got: &F16, ..fallback }))
            }
            fine => fine,
        }
    }
}
