//! How a model is run.

use crate::quant::{BF16, F16, F32, FormatRef, IQ4_NL, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};

/// The types that llama.cpp's cache can have (`kv_cache_types` in `common/arg.cpp`), largest first.
pub static CACHE_TYPES: &[FormatRef] = &[&F32, &F16, &BF16, &Q8_0, &Q5_1, &Q5_0, &Q4_1, &Q4_0, &IQ4_NL];

/// A cache holds a multiple of so many cells of each sequence (`GGML_PAD` in `llama_context` and `llama_kv_cache_iswa`).
pub const CELLS: u64 = 256;

/// What a user of llama.cpp sets. The defaults are llama.cpp's, with a context of 4,096 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `-c`: tokens of context, of all sequences together.
    pub context: u64,
    /// `-np`: sequences that are run side by side, each with its share of the context.
    pub sequences: u64,
    /// `-b`: tokens that are handed over at once; it bounds the outputs of a step.
    pub batch: u64,
    /// `-ub`: tokens that are computed at once.
    pub ubatch: u64,
    /// `-ctk`: the type of cached keys.
    pub keys: FormatRef,
    /// `-ctv`: the type of cached values.
    pub values: FormatRef,
    /// `-fa`: attention in one operation that never writes the scores down.
    pub flash_attention: bool,
    /// `--swa-full`: whether layers with a window keep as much as the others.
    pub full_windows: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            context: 4096,
            sequences: 1,
            batch: 2048,
            ubatch: 512,
            keys: &F16,
            values: &F16,
            flash_attention: true,
            full_windows: false,
        }
    }
}

/// Reads `q8_0`, or `q8_0/q4_0` for keys and values apart.
pub fn parse_cache_types(text: &str) -> Result<(FormatRef, FormatRef), String> {
    let known = || CACHE_TYPES.iter().map(|format| format.name.to_lowercase()).collect::<Vec<_>>().join(", ");
    let named = |name: &str| {
        let found = CACHE_TYPES.iter().copied().find(|format| format.name.eq_ignore_ascii_case(name.trim()));
        found.ok_or_else(|| format!("a cache cannot be of type {name:?}; choose one of {}", known()))
    };
    match text.split_once('/') {
        Some((keys, values)) => Ok((named(keys)?, named(values)?)),
        None => named(text).map(|format| (format, format)),
    }
}

impl Settings {
    /// Why llama.cpp would not run a model so; none where it would.
    pub fn problem(&self, is_latent: bool) -> Option<&'static str> {
        if !self.flash_attention && !self.values.is_float() {
            return Some("llama.cpp quantizes cached values only with flash attention");
        }
        if is_latent && self.keys != self.values {
            return Some("a model with latent attention (MLA) has one cache, so keys and values need one type");
        }
        None
    }

    /// Cells that the cache has for each sequence: the context and then its share are rounded up to [`CELLS`].
    pub fn cells(&self) -> u64 {
        (self.context.next_multiple_of(CELLS) / self.sequences.max(1)).next_multiple_of(CELLS)
    }

    /// Cells of a layer that sees `window` tokens: those and the ones being computed, rounded up, and no more than others
    /// have.
    pub fn windowed_cells(&self, window: u64) -> u64 {
        if self.full_windows {
            return self.cells();
        }
        self.cells().min(window + self.step()).next_multiple_of(CELLS)
    }

    /// Tokens that are computed at once: never more than the batch, nor than the context.
    pub(super) fn step(&self) -> u64 {
        self.ubatch.min(self.batch).min(self.context)
    }

    /// Tokens of the graph that buffers are made for: as many of each sequence.
    pub(super) fn tokens(&self) -> u64 {
        self.step().next_multiple_of(self.sequences.max(1))
    }

    /// Rows of logits of that graph.
    pub(super) fn outputs(&self) -> u64 {
        self.step().min(self.batch)
    }
}
