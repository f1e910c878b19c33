//! The choices: one list, which the command line, reports, tests and the window loop over.

use super::Cache;
use super::blocks::BLOCKS;
use super::held::Held;
use super::rotation::{rotation_of_keys, rotation_of_values};
use super::row::Row;
use crate::quant::{F16, FormatRef};
use std::sync::LazyLock;

/// Tokens that KIVI and low rank leave as they are.
const RECENT: usize = 64;

/// A way to keep a text's keys and values.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// As it is named on the command line: `q8_0`, or `q8_0/f16` for keys and values apart.
    pub name: String,
    /// What it does, for people.
    pub about: &'static str,
    /// What it does.
    pub kind: Kind,
}

/// What a choice does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Rows of types that llama.cpp's cache has: of keys and of values.
    Types {
        /// [`F16`], or a format of [`BLOCKS`].
        formats: [FormatRef; 2],
        /// Whether rows are rotated before they are quantized, as llama.cpp does unless it is told not to.
        rotated: bool,
    },
    /// Eight-bit floats, of keys and of values or not.
    Fp8([bool; 2]),
    /// [`Held::Grouped`]; bits of keys and of values.
    Grouped([u32; 2]),
    /// [`Held::Leading`]; of the directions of a head this share.
    Leading(f64),
    /// [`Held::Window`]; of the context this share.
    Window(f64),
    /// [`Held::Heavy`]; of the context this share.
    Heavy(f64),
    /// [`Held::Observed`]; of the prompt this share.
    Observed(f64),
    /// [`Held::Merged`].
    Merged,
}

/// All of them; the first is what llama.cpp does by itself, and what others are measured against.
pub static CHOICES: LazyLock<Vec<Choice>> = LazyLock::new(all);

fn all() -> Vec<Choice> {
    let f16: FormatRef = &F16;
    let mut list = vec![types([f16; 2], true)];
    for blocks in BLOCKS {
        let own = blocks.format;
        list.extend([[own; 2], [own, f16], [f16, own]].map(|formats| types(formats, true)));
        list.push(types([own; 2], false));
    }
    let mut more =
        |name: &str, about: &'static str, kind: Kind| list.push(Choice { name: name.to_owned(), about, kind });
    const FP8: &str = "Eight-bit floats (E4M3) without a scale.";
    more("fp8", FP8, Kind::Fp8([true; 2]));
    more("fp8/f16", FP8, Kind::Fp8([true, false]));
    more("f16/fp8", FP8, Kind::Fp8([false, true]));
    const KIVI: &str = "Groups of 32 in few bits (KIVI), keys by channel, values by token; the last 64 tokens stay.";
    more("kivi-3", KIVI, Kind::Grouped([3; 2]));
    more("kivi-2", KIVI, Kind::Grouped([2; 2]));
    more("kivi-2/f16", KIVI, Kind::Grouped([2, 0]));
    more("f16/kivi-2", KIVI, Kind::Grouped([0, 2]));
    const WINDOW: &str = "The first 4 tokens and the last ones (StreamingLLM).";
    more("window-1/2", WINDOW, Kind::Window(0.5));
    more("window-1/4", WINDOW, Kind::Window(0.25));
    const HEAVY: &str = "Tokens that got most attention so far, and as many of the last (H2O).";
    more("h2o-1/2", HEAVY, Kind::Heavy(0.5));
    more("h2o-1/4", HEAVY, Kind::Heavy(0.25));
    const OBSERVED: &str = "Of the prompt what its end looks at (SnapKV); the prompt is half of the context.";
    more("snapkv-1/2", OBSERVED, Kind::Observed(0.5));
    more("snapkv-1/4", OBSERVED, Kind::Observed(0.25));
    more("merged", "Older tokens merged by pairs whose keys are alike; the last 64 stay.", Kind::Merged);
    const LEADING: &str = "Keys in the leading directions of the prompt's keys; the last 64 tokens stay.";
    more("low-rank-1/2", LEADING, Kind::Leading(0.5));
    more("low-rank-1/4", LEADING, Kind::Leading(0.25));
    list
}

fn types(formats: [FormatRef; 2], rotated: bool) -> Choice {
    let [keys, values] = formats.map(|format| format.name.to_lowercase());
    let name = if keys == values { keys } else { format!("{keys}/{values}") };
    let plain = formats.iter().all(|format| format.is_float());
    let (name, about) = match rotated {
        _ if plain => (name, "Half precision: what llama.cpp keeps where nobody says otherwise."),
        true => (name, "Rotated, then in blocks of 32, as llama.cpp does it."),
        false => (format!("{name}-unrotated"), "In blocks of 32, without llama.cpp's rotation."),
    };
    Choice { name, about, kind: Kind::Types { formats, rotated } }
}

/// The choice of that name: one of the list, or `K/V` of two types of llama.cpp's, with `-unrotated` behind them or not.
pub fn choice_from_name(name: &str) -> Option<Choice> {
    if let Some(found) = CHOICES.iter().find(|choice| choice.name.eq_ignore_ascii_case(name)) {
        return Some(found.clone());
    }
    let lower = name.to_lowercase();
    let (pair, rotated) = lower.strip_suffix("-unrotated").map_or((lower.as_str(), true), |pair| (pair, false));
    let known = || BLOCKS.iter().map(|blocks| blocks.format).chain([&F16 as FormatRef]);
    let named = |name: &str| known().find(|format| format.name.eq_ignore_ascii_case(name));
    let (keys, values) = pair.split_once('/')?;
    Some(types([named(keys)?, named(values)?], rotated))
}

impl Choice {
    /// What it does to a model with heads of these sizes, in a context of so many tokens, of which so many are the prompt.
    pub fn cache(&self, [key, value]: [usize; 2], context: usize, prompt: usize) -> Cache {
        let of = |all: usize, share: f64| (all as f64 * share).round() as usize;
        let rows = |keys: Row, values: Row| Cache { keys, values, ..Cache::default() };
        let held = |held: Held| Cache { held, ..rows(Row::F16, Row::F16) };
        match self.kind {
            Kind::Types { formats, rotated } => {
                let row = |format: FormatRef, rotation: Option<usize>| match format.is_float() {
                    true => Row::F16,
                    false => Row::Blocks { format, rotation: rotation.filter(|_| rotated) },
                };
                rows(row(formats[0], rotation_of_keys(key)), row(formats[1], rotation_of_values(value)))
            }
            Kind::Fp8(sides) => {
                let [keys, values] = sides.map(|is| if is { Row::Fp8 } else { Row::F16 });
                rows(keys, values)
            }
            Kind::Grouped([keys, values]) => held(Held::Grouped { keys, values, recent: RECENT }),
            Kind::Leading(share) => held(Held::Leading { rank: of(key, share), recent: RECENT, prompt }),
            Kind::Window(share) => held(Held::Window { tokens: of(context, share) }),
            Kind::Heavy(share) => held(Held::Heavy { tokens: of(context, share) }),
            Kind::Observed(share) => held(Held::Observed { tokens: of(prompt, share), prompt }),
            Kind::Merged => held(Held::Merged { recent: RECENT }),
        }
    }

    /// Why a model with such heads cannot be run so; none where it can. A model with latent attention keeps one row for keys
    /// and values.
    pub fn problem(&self, heads: [usize; 2], is_latent: bool) -> Option<String> {
        let cache = self.cache(heads, 1, 1);
        let is_apart = match self.kind {
            Kind::Types { formats, .. } => formats[0] != formats[1],
            Kind::Fp8(sides) => sides[0] != sides[1],
            _ => true,
        };
        if is_latent && is_apart {
            return Some("its latent attention keeps one row for keys and values".to_owned());
        }
        cache.keys.problem(heads[0]).or(cache.values.problem(heads[1])).or(cache.held.problem(heads))
    }

    /// The types of keys and values in llama.cpp, where it can run the choice.
    pub fn types(&self) -> Option<[FormatRef; 2]> {
        match self.kind {
            Kind::Types { formats, .. } => Some(formats),
            _ => None,
        }
    }

    /// What llama-server is started with for it, and what has to be in its environment; none where no runtime in llama.cpp does
    /// it yet.
    pub fn flags(&self) -> Option<String> {
        let Kind::Types { formats, rotated } = self.kind else { return None };
        let [keys, values] = formats.map(|format| format.name.to_lowercase());
        let before = if rotated { "" } else { "LLAMA_ATTN_ROT_DISABLE=1 " };
        let attention = if formats[1].is_float() { "" } else { " -fa on" };
        Some(format!("{before}-ctk {keys} -ctv {values}{attention}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_found_by_its_name_and_takes_no_more_than_f16() {
        let [_, most] = [0, 1].map(|_| CHOICES[0].cache([64; 2], 4096, 2048).bytes(4096, 2, [64, 64]));
        assert_eq!(most, [2 * 2 * 64 * 4096; 2]);
        for choice in CHOICES.iter() {
            assert_eq!(choice_from_name(&choice.name).as_ref(), Some(choice));
            assert_eq!(choice.problem([64, 64], false), None);
            let [keys, values] = choice.cache([64; 2], 4096, 2048).bytes(4096, 2, [64, 64]);
            assert!(keys <= most[0] && values <= most[1], "{}: {keys} and {values}", choice.name);
        }
        assert_eq!(choice_from_name("q8_0/q4_0").unwrap().flags().unwrap(), "-ctk q8_0 -ctv q4_0 -fa on");
        assert_eq!(choice_from_name("q8_0/q2_k"), None);
        assert!(choice_from_name("q4_0").unwrap().problem([40, 40], false).is_some());
        assert!(choice_from_name("q4_0/f16").unwrap().problem([64, 64], true).is_some());
    }
}
