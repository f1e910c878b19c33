//! What is left of earlier tokens.

use super::groups::{GROUP, group_bits};
use super::merge::PAGE;

/// The first tokens of a text, which many heads look at whatever they say, and which [`Held::Window`] keeps (Xiao and others
/// 2024).
pub const SINKS: usize = 4;

/// See the module. Tokens keep the positions that they had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// All of them.
    #[default]
    All,
    /// All of them; sums of values are rounded to F16 at every token on the way, as llama.cpp's kernels for processors do it
    /// where values are F16 and keys in blocks.
    SummedInHalves,
    /// All; those beyond the last `recent` in groups of few bits, keys channel by channel and values token by token (KIVI; Liu and
    /// others 2024). With 0 bits they stay as they are.
    Grouped {
        /// Bits of keys.
        keys: u32,
        /// Bits of values.
        values: u32,
        /// Tokens that stay as they are, at most.
        recent: usize,
    },
    /// All; from the end of a prompt on, keys beyond the last `recent` in the directions that the prompt's keys have most of.
    Leading {
        /// Directions of a head.
        rank: usize,
        /// Tokens that stay as they are.
        recent: usize,
        /// Tokens of the prompt.
        prompt: usize,
    },
    /// The first [`SINKS`] and the last so many (StreamingLLM; Xiao and others 2024).
    Window {
        /// Tokens in all.
        tokens: usize,
    },
    /// Those that got most attention so far, and as many of the last (H2O; Zhang and others 2023).
    Heavy {
        /// Tokens in all.
        tokens: usize,
    },
    /// Of a prompt those that its last tokens look at, and all that comes after it (SnapKV; Li and others 2024).
    Observed {
        /// Tokens of the prompt that are left.
        tokens: usize,
        /// Tokens of the prompt.
        prompt: usize,
    },
    /// Beyond the last `recent`, half as many, each merged of those whose keys are alike.
    Merged {
        /// Tokens that stay as they are, at least.
        recent: usize,
    },
}

impl Held {
    /// Bits of the keys and of the values of a head, where a number of a row has `own` bits.
    pub(super) fn bits(&self, cells: u64, [key, value]: [u64; 2], own: [f64; 2]) -> [u64; 2] {
        let whole =
            |tokens: u64, sizes: [u64; 2]| [0, 1].map(|side| ((tokens * sizes[side]) as f64 * own[side]) as u64);
        let sizes = [key, value];
        match *self {
            Self::All | Self::SummedInHalves => whole(cells, sizes),
            Self::Grouped { keys, values, recent } => {
                let recent = (recent as u64).min(cells);
                let (near, all) = (whole(recent, sizes), whole(cells, sizes));
                [0, 1].map(|side| match [keys, values][side] {
                    0 => all[side],
                    bits => near[side] + (((cells - recent) * sizes[side]) as f64 * group_bits(bits)) as u64,
                })
            }
            Self::Leading { rank, recent, .. } => {
                let (rank, recent) = (rank as u64, (recent as u64).min(cells));
                let basis = whole(rank, [key, 0])[0];
                let [keys, values] =
                    [whole(recent, sizes)[0] + whole(cells - recent, [rank, 0])[0], whole(cells, sizes)[1]];
                [keys + basis, values]
            }
            Self::Window { tokens } => whole((tokens as u64).min(cells), sizes),
            Self::Heavy { tokens } => {
                // And what attention each of them got, in f32.
                let tokens = (tokens as u64).min(cells);
                let [keys, values] = whole(tokens, sizes);
                [keys + 32 * tokens, values]
            }
            Self::Observed { tokens, prompt } => {
                let prompt = (prompt as u64).min(cells);
                whole((tokens as u64).min(prompt) + cells - prompt, sizes)
            }
            Self::Merged { recent } => {
                // And how many each stands for, in a byte.
                let pages = cells.saturating_sub(recent as u64) / PAGE as u64;
                let merged = pages * PAGE as u64 / 2;
                let [keys, values] = whole(cells - merged, sizes);
                [keys + 8 * merged, values]
            }
        }
    }

    /// Why it cannot be done to heads of these sizes; none where it can.
    pub fn problem(&self, [_, value]: [usize; 2]) -> Option<String> {
        let is_grouped = matches!(self, Self::Grouped { values: 1.., .. });
        (is_grouped && !value.is_multiple_of(GROUP))
            .then(|| format!("heads have {value} numbers, and groups have {GROUP}"))
    }
}
