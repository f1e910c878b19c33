//! Bytes of what a layer keeps of earlier tokens.

use super::settings::Settings;
use super::subject::{Layer, Mixer, Subject};

/// What one layer keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Cached keys.
    pub keys: u64,
    /// Cached values.
    pub values: u64,
    /// State that does not grow with the context.
    pub recurrent: u64,
}

impl Layer {
    /// What the layer keeps, from `llama_kv_cache` and `llama_memory_recurrent`.
    ///
    /// | mixer | keys | values | recurrent, in f32, a sequence |
    /// |---|---|---|---|
    /// | attention | cells x KV heads x key size | cells x KV heads x value size | |
    /// | latent | cells x (rank + rotary size) | | |
    /// | convolution | | | width of the stream x (span - 1) |
    /// | state space | | | (span - 1) x (inner + 2 x groups x state) + inner x state |
    ///
    /// Cells are [`Settings::cells`] or [`Settings::windowed_cells`], for each sequence. Without flash attention cached
    /// values lie transposed, and every layer has room for the widest.
    pub fn kept(&self, subject: &Subject, settings: &Settings) -> Kept {
        let sequences = settings.sequences;
        match self.mixer {
            Mixer::Attention { .. } | Mixer::Latent { .. } if !subject.family.cached => Kept::default(),
            Mixer::Attention { kv_heads, key, value, window, .. } => {
                let cells =
                    sequences * window.map_or_else(|| settings.cells(), |window| settings.windowed_cells(window));
                let value = if settings.flash_attention { kv_heads * value } else { subject.widest_value() };
                Kept {
                    keys: settings.keys.bytes(cells * kv_heads * key),
                    values: settings.values.bytes(cells * value),
                    recurrent: 0,
                }
            }
            Mixer::Latent { rank, rope, .. } => {
                Kept { keys: settings.keys.bytes(sequences * settings.cells() * (rank + rope)), ..Kept::default() }
            }
            Mixer::Convolution { width } => {
                Kept { recurrent: 4 * sequences * subject.hidden * width.saturating_sub(1), ..Kept::default() }
            }
            Mixer::StateSpace { width, inner, state, groups, .. } => {
                let convolution = width.saturating_sub(1) * (inner + 2 * groups * state);
                Kept { recurrent: 4 * sequences * (convolution + inner * state), ..Kept::default() }
            }
            Mixer::None => Kept::default(),
        }
    }
}
