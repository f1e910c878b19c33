//! How a model's queries and keys rotate: base, scaling, and which layers do.

use super::facts::Settings;
use super::{Pairs, Rope, Unsupported};
use crate::gguf::Value;
use crate::model::Model;
use std::f32::consts::TAU;
use std::sync::Arc;

/// Families whose heads rotate by neighbours (`LLAMA_ROPE_TYPE_NORM` of llama.cpp); in the others halves do.
const NEIGHBOURS: &[&str] = &[
    "llama",
    "mistral3",
    "arcee",
    "internlm2",
    "minicpm",
    "granite",
    "granitemoe",
    "smollm3",
    "deepseek2",
    "command-r",
    "cohere2",
    "glm4",
    "olmo",
];

/// Families that know positions in another way.
const NONE: &[&str] = &["bloom", "gpt2"];

/// The tensor whose numbers divide the frequencies, where a model has one: of longrope, that for texts as long.
pub fn factors(model: &Model, context: usize) -> Option<&'static str> {
    let original = format!("{}.rope.scaling.original_context_length", model.hparams.architecture);
    let original = model.value(&original).and_then(Value::as_u64).unwrap_or(model.hparams.context);
    let by_length = if context as u64 > original { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
    ["rope_freqs.weight", by_length].into_iter().find(|name| model.tensors.iter().any(|tensor| tensor.name == *name))
}

/// The rotations of a model.
#[derive(Clone, Debug)]
pub(super) struct Rotations {
    everywhere: Option<Rope>,
    in_windows: Option<Rope>,
    which: Which,
    /// What scaling does to the products of queries and keys, where that is not in the rotation.
    pub(super) score_scale: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Which {
    All,
    /// Where some layers have windows, only those.
    Windowed,
    /// Not every fourth.
    NotFourth,
}

impl Rotations {
    pub(super) fn of(settings: &Settings<'_>, factors: Option<&[f32]>) -> Result<Self, Unsupported> {
        let architecture = settings.architecture;
        let rotates = !NONE.contains(&architecture);
        let base = settings.float("rope.freq_base").unwrap_or(10_000.0);
        let scaling = Scaling::of(settings, base)?;
        // Layers with windows have a base of their own in Gemma 3; there and in OLMo 3 texts are not stretched in them.
        let usual = if architecture == "gemma3" { 10_000.0 } else { base };
        let in_windows = settings.float("rope.freq_base_swa").unwrap_or(usual);
        let stretched = !["gemma3", "olmo2"].contains(&architecture);
        let rope = |base: f32, scaling: &Scaling| rotation(settings, base, scaling, factors);
        let none = Scaling::default();
        Ok(Self {
            everywhere: rotates.then(|| rope(base, &scaling)).transpose()?,
            in_windows: rotates.then(|| rope(in_windows, if stretched { &scaling } else { &none })).transpose()?,
            which: match architecture {
                "cohere2" | "exaone4" => Which::Windowed,
                "smollm3" => Which::NotFourth,
                _ => Which::All,
            },
            score_scale: scaling.score_scale,
        })
    }

    /// Of a layer, if it rotates.
    pub(super) fn at(&self, layer: u64, is_windowed: bool, has_windows: bool) -> Option<&Rope> {
        let rope = if is_windowed { &self.in_windows } else { &self.everywhere };
        let rotates = match self.which {
            Which::All => true,
            Which::Windowed => is_windowed || !has_windows,
            Which::NotFourth => layer % 4 != 3,
        };
        rope.as_ref().filter(|_| rotates)
    }
}

/// How texts longer than those of the training are made to fit.
#[derive(Clone, Debug)]
struct Scaling {
    /// Of frequencies.
    factor: f32,
    /// YaRN: pairs before the first turn as they did, those after the second are stretched, and between the two both are
    /// mixed.
    ramp: Option<[f32; 2]>,
    magnitude: f32,
    score_scale: f32,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { factor: 1.0, ramp: None, magnitude: 1.0, score_scale: 1.0 }
    }
}

impl Scaling {
    fn of(settings: &Settings<'_>, base: f32) -> Result<Self, Unsupported> {
        let kind = settings.value("rope.scaling.type").and_then(Value::as_str).unwrap_or("linear");
        let stretch = settings.nonzero("rope.scaling.factor").unwrap_or(1.0);
        let magnitude = settings.float("rope.scaling.attn_factor").unwrap_or(1.0);
        let plain = Self { factor: 1.0 / stretch, magnitude, ..Self::default() };
        match kind {
            "none" => Ok(Self { factor: 1.0, ..plain }),
            "linear" | "longrope" => Ok(plain),
            "yarn" => Ok(plain.yarn(settings, base, stretch)),
            other => Err(settings.refuse(&format!("its positions are scaled by {other}, which cannot be run"))),
        }
    }

    /// YaRN as llama.cpp has it (Peng and others 2023, and the readings of its magnitude by transformers).
    fn yarn(self, settings: &Settings<'_>, base: f32, stretch: f32) -> Self {
        let hparams = &settings.model.hparams;
        let dims = hparams.rope_dims as f32;
        let original = settings.whole("rope.scaling.original_context_length").unwrap_or(hparams.context) as f32;
        let pair = |turns: f32| dims * (original / (turns * TAU)).ln() / (2.0 * base.ln());
        let turns = |key: &str, usual: f32| settings.float(&format!("rope.scaling.yarn_beta_{key}")).unwrap_or(usual);
        let ramp = [pair(turns("fast", 32.0)).floor().max(0.0), pair(turns("slow", 1.0)).ceil().min(dims - 1.0)];
        let by = |scale: f32| if stretch <= 1.0 { 1.0 } else { 0.1 * scale * stretch.ln() + 1.0 };
        let is_deepseek = settings.architecture == "deepseek2";
        let (magnitude, score_scale) = match settings.nonzero("rope.scaling.yarn_log_multiplier") {
            None if is_deepseek => (by(1.0), by(1.0) * by(1.0)),
            None => (by(1.0), 1.0),
            // DeepSeek's files have a tenth of it, and its scores take what its rotation does not.
            Some(tenth) if is_deepseek => (1.0, by(tenth / 0.1).powi(2)),
            Some(multiplier) => (by(1.0) / by(multiplier), 1.0),
        };
        Self { ramp: Some(ramp), magnitude: self.magnitude * magnitude, score_scale, ..self }
    }
}

/// `base^(-2 i / dims)` for each pair, divided by its factor and stretched.
fn rotation(
    settings: &Settings<'_>,
    base: f32,
    scaling: &Scaling,
    factors: Option<&[f32]>,
) -> Result<Rope, Unsupported> {
    let dims = settings.model.hparams.rope_dims;
    let head = if settings.model.hparams.kv_rank > 0 { dims } else { settings.model.hparams.key_head };
    if dims > head || dims == 0 {
        return Err(settings.refuse(&format!("{dims} numbers rotate of a head that has {head}")));
    }
    if let Some(factors) = factors.filter(|factors| factors.len() as u64 != dims / 2) {
        return Err(settings.refuse(&format!(
            "its tensor of rotation factors has {} numbers, and {} were expected",
            factors.len(),
            dims / 2
        )));
    }
    let frequency = |i: u64| {
        let own = base.powf(-((2 * i) as f32) / dims as f32) / factors.map_or(1.0, |factors| factors[i as usize]);
        let stretched = scaling.factor * own;
        match scaling.ramp {
            None => stretched,
            Some([first, last]) => {
                let as_it_was = 1.0 - ((i as f32 - first) / (last - first).max(0.001)).clamp(0.0, 1.0);
                stretched * (1.0 - as_it_was) + own * as_it_was
            }
        }
    };
    let pairs = if NEIGHBOURS.contains(&settings.architecture) { Pairs::Neighbours } else { Pairs::Halves };
    Ok(Rope { pairs, frequencies: Arc::from_iter((0..dims / 2).map(frequency)), magnitude: scaling.magnitude })
}
