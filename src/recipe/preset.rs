//! The named recipes of llama-quantize.

use crate::quant::{BF16, F16, F32, FormatRef, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};

/// More bits for some layers of a kind of tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bump {
    /// None.
    Never,
    /// The first and last eighth of the layers, and every third between.
    Scattered(FormatRef),
    /// The first eighth of the layers.
    FirstEighth(FormatRef),
    /// The first four layers.
    FirstFour(FormatRef),
}

/// A named recipe.
#[derive(Debug)]
pub struct Preset {
    /// As llama-quantize spells it: `Q4_K_M`.
    pub name: &'static str,
    /// `general.file_type` (`enum llama_ftype`). COPY keeps the model's own.
    pub file_type: Option<u32>,
    /// The format most tensors get. COPY keeps each tensor's own.
    pub format: Option<FormatRef>,
    /// For attention value projections.
    pub attn_v: Bump,
    /// For the MLP's down projections.
    pub ffn_down: Bump,
    /// One sentence for people choosing it.
    pub about: &'static str,
}

impl PartialEq for Preset {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Preset {}

impl Preset {
    const fn uniform(name: &'static str, file_type: u32, format: FormatRef, about: &'static str) -> Self {
        Self {
            name,
            file_type: Some(file_type),
            format: Some(format),
            attn_v: Bump::Never,
            ffn_down: Bump::Never,
            about,
        }
    }

    const fn bump(mut self, attn_v: Bump, ffn_down: Bump) -> Self {
        self.attn_v = attn_v;
        self.ffn_down = ffn_down;
        self
    }
}

/// Every preset, largest file first.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "COPY",
        file_type: None,
        format: None,
        attn_v: Bump::Never,
        ffn_down: Bump::Never,
        about: "Every tensor keeps its precision; only the container changes.",
    },
    Preset::uniform("F32", 0, &F32, "Full precision; twice the size of F16 and no better for running."),
    Preset::uniform("F16", 1, &F16, "Half precision; what other tools expect as a starting point."),
    Preset::uniform("BF16", 32, &BF16, "The precision most models are published in, kept without loss."),
    Preset::uniform("Q8_0", 7, &Q8_0, "Half of F16 with hardly any loss; the safe choice where memory allows."),
    Preset::uniform("Q6_K", 18, &Q6_K, "Very close to the original at 6.6 bits a weight."),
    Preset::uniform("Q5_K_M", 17, &Q5_K, "Small loss; the layers that matter most get 6 bits.")
        .bump(Bump::Scattered(&Q6_K), Bump::Scattered(&Q6_K)),
    Preset::uniform("Q5_K_S", 16, &Q5_K, "5.5 bits for every layer; a little smaller and a little worse than Q5_K_M."),
    Preset::uniform("Q5_1", 9, &Q5_1, "The older 5-bit format with a minimum; larger than Q5_K_M at a similar loss."),
    Preset::uniform("Q5_0", 8, &Q5_0, "The older 5-bit format; fast on simple hardware."),
    Preset::uniform("Q4_K_M", 15, &Q4_K, "The usual choice: a good balance of size and quality.")
        .bump(Bump::Scattered(&Q6_K), Bump::Scattered(&Q6_K)),
    Preset::uniform("Q4_K_S", 14, &Q4_K, "4.5 bits for most layers; smaller than Q4_K_M with more loss.")
        .bump(Bump::FirstFour(&Q5_K), Bump::FirstEighth(&Q5_K)),
    Preset::uniform("Q4_1", 3, &Q4_1, "The older 4-bit format with a minimum; larger than Q4_K_S and usually worse."),
    Preset::uniform("Q4_0", 2, &Q4_0, "The older 4-bit format; fast on phones and simple hardware."),
];

/// The preset called `name`, in any case; Q4_K and Q5_K mean the medium ones, as in llama-quantize.
pub fn preset_from_name(name: &str) -> Option<&'static Preset> {
    let name = match name.to_ascii_uppercase().as_str() {
        "Q4_K" => "Q4_K_M".to_owned(),
        "Q5_K" => "Q5_K_M".to_owned(),
        other => other.to_owned(),
    };
    PRESETS.iter().find(|preset| preset.name == name)
}
