//! What a model's name tells: organization, base name, size, fine-tune, version.
//!
//! Names like `org/Llama-3.2-1B-Instruct` follow a habit, and llama.cpp's converter (`gguf-py/gguf/metadata.py`) reads
//! it by rules that runtimes and hubs have come to expect; these are the same rules.

use crate::arch::Tensor;
use regex::Regex;
use std::sync::LazyLock;

/// The parts of a name; what it does not tell is none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Identity {
    pub(super) name: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) basename: Option<String>,
    pub(super) finetune: Option<String>,
    pub(super) version: Option<String>,
    pub(super) size_label: Option<String>,
}

static VERSION: LazyLock<Regex> = LazyLock::new(|| regex(r"(v|iter)?\d+([.]\d+)*"));
static TYPE: LazyLock<Regex> = LazyLock::new(|| regex(r"i?q\d(_\w)*|b?fp?(16|32)"));
static SIZE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(([A]|\d+[x])?\d+([._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl)"));
static FINETUNE: LazyLock<Regex> = LazyLock::new(|| regex("chat|instruct|vision|lora"));
static KEPT_CASE: LazyLock<Regex> = LazyLock::new(|| regex(r"v\d+(?:\.\d+)*|\d.*"));

fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("^(?i:{pattern})$")).expect("a constant pattern")
}

/// A part between hyphens, and what it may be.
#[derive(Default)]
struct Part {
    text: String,
    basename: bool,
    version: bool,
    size: bool,
    finetune: bool,
    other_type: bool,
}

impl Part {
    fn has_kind(&self) -> bool {
        self.basename || self.version || self.size || self.finetune || self.other_type
    }
}

/// How many weights there are, by which sizes in names are known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) weights: u64,
    /// Whether they are those that an adapter changes, so that its model may have many more.
    pub(super) is_adapter: bool,
}

impl Extent {
    /// Whether a name can mean this number.
    fn fits(self, number: f64) -> bool {
        let total = self.weights as f64;
        match self.is_adapter {
            true => number >= (self.weights / 8) as f64,
            false => (number - total).abs() <= (7 * self.weights / 8) as f64,
        }
    }
}

impl Identity {
    /// Takes a repository id or a folder's name apart; `extent` tells sizes from other numbers with a letter.
    pub(super) fn parse(id: &str, extent: Extent) -> Self {
        if id.is_empty() {
            return Self::default();
        }
        if id.contains(' ') {
            return Self { name: Some(id.to_owned()), ..Self::default() };
        }
        let (organization, name) = match id.split_once('/') {
            Some((organization, name)) => (Some(organization).filter(|o| !o.starts_with('.')), name),
            None => (None, id),
        };
        let mut parts: Vec<Part> = Vec::new();
        for (index, text) in name.split('-').filter(|text| !text.is_empty()).enumerate() {
            parts.push(classify(text, index == 0, extent));
        }
        if parts.iter().any(|p| p.size && p.text.contains(|c: char| c.is_ascii_digit())) {
            parts.iter_mut().filter(|p| p.text.chars().all(char::is_alphabetic)).for_each(|p| p.size = false);
        }
        mark_basename(&mut parts);

        let join = |kind: fn(&Part) -> bool| {
            let chosen: Vec<&str> = parts.iter().filter(|p| kind(p)).map(|p| p.text.as_str()).collect();
            Some(chosen.join("-")).filter(|text| !text.is_empty())
        };
        let mut sizes: Vec<&str> = Vec::new();
        for part in parts.iter().filter(|p| p.size) {
            if !sizes.contains(&part.text.as_str()) {
                sizes.push(&part.text);
            }
        }
        let size_label = Some(sizes.join("-")).filter(|text| !text.is_empty());
        let finetune = join(|p| p.finetune);
        let version = join(|p| p.version && !p.basename);
        let told = size_label.is_some() || finetune.is_some() || version.is_some();
        Self {
            name: Some(name.to_owned()),
            organization: organization.map(str::to_owned),
            basename: join(|p| p.basename).filter(|_| told),
            finetune,
            version,
            size_label,
        }
    }
}

fn classify(text: &str, first: bool, extent: Extent) -> Part {
    let mut part = Part { text: text.to_owned(), ..Part::default() };
    if VERSION.is_match(text) {
        part.version = true;
    } else if TYPE.is_match(text) {
        part.other_type = true;
        part.text = text.to_uppercase();
    } else if !first && SIZE.is_match(text) {
        size_or_finetune(&mut part, extent);
    } else if extent.is_adapter && text.eq_ignore_ascii_case("lora") {
        // Every adapter is one.
        part.other_type = true;
    } else if !first && FINETUNE.is_match(text) {
        part.finetune = true;
    }
    part
}

/// `7b1` is 7.1B. A number that is far from the parameter count (`8k`) is something else.
fn size_or_finetune(part: &mut Part, extent: Extent) {
    let mut text: Vec<char> = part.text.replace('_', ".").chars().collect();
    let n = text.len();
    if text[n - 1].is_ascii_digit() && n >= 2 {
        let digit = text[n - 1];
        text[n - 1] = text[n - 2];
        text[n - 2] = '.';
        text.insert(n - 1, digit);
    }
    let n = text.len();
    if n > 1 && text[n - 2].is_ascii_digit() && "kmbt".contains(text[n - 1]) {
        text[n - 1] = text[n - 1].to_ascii_uppercase();
    }
    let number: String = text[..n - 1].iter().collect();
    let power = "KMBT".find(text[n - 1]).map_or(-1, |i| i as i32 + 1);
    if extent.weights > 0
        && let Ok(number) = number.parse::<f64>()
        && !extent.fits(number * 1000f64.powi(power))
    {
        part.finetune = true;
        text[n - 1] = text[n - 1].to_ascii_lowercase();
    }
    part.size = !part.finetune;
    part.text = text.into_iter().collect();
}

/// The base name is the run of plain words and versions at the start; a version that closes it is no part of it, and a
/// plain word after it is a fine-tune.
fn mark_basename(parts: &mut [Part]) {
    let mut at_start = true;
    for part in parts.iter_mut() {
        let plain = !part.has_kind() && part.text.starts_with(char::is_alphabetic);
        if at_start && (plain || part.version) {
            part.basename = true;
        } else {
            at_start = false;
            if !part.has_kind() {
                part.finetune = true;
            }
        }
    }
    for part in parts.iter_mut().rev() {
        if part.basename && (part.version || part.size || part.finetune || part.other_type) {
            part.basename = false;
        } else {
            break;
        }
    }
}

/// `llama-3.2-1b-instruct` as people write it: `Llama 3.2 1b Instruct`. Words with a capital stay.
pub(super) fn title(name: &str) -> String {
    let lower = |word: &str| word.chars().any(char::is_lowercase) && !word.chars().any(char::is_uppercase);
    let capitalized = |word: &str| {
        let mut after_letter = false;
        word.chars()
            .map(|c| {
                let c = if after_letter { c } else { c.to_uppercase().next().unwrap_or(c) };
                after_letter = c.is_alphabetic();
                c
            })
            .collect::<String>()
    };
    name.replace('-', " ")
        .split_whitespace()
        .map(|word| if lower(word) && !KEPT_CASE.is_match(word) { capitalized(word) } else { word.to_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

/// A model's size: `135M`, or of one with experts `8x7B`, where what all experts share counts with each.
pub(super) fn size_label(tensors: &[Tensor]) -> String {
    let (mut shared, mut expert, mut experts, mut stacks) = (0, 0, 0, 0);
    for tensor in tensors {
        let count = match tensor.name.contains("_exps.") {
            true if tensor.name.ends_with(".bias") => tensor.shape.get(1).filter(|_| tensor.shape.len() > 2),
            true => tensor.shape.get(2),
            false => None,
        };
        match count {
            Some(count) => {
                expert += tensor.weights() / count;
                experts += count;
                stacks += 1;
            }
            None => shared += tensor.weights(),
        }
    }
    match experts.checked_div(stacks) {
        Some(experts) if experts > 0 => format!("{experts}x{}", rounded(shared + expert)),
        _ => rounded(shared + expert),
    }
}

/// A parameter count in at most three characters and a letter: `7.3M`, `135M`, `1.2B`.
fn rounded(parameters: u64) -> String {
    let n = parameters as f64;
    let (scaled, letter) = match n {
        n if n > 1e12 => (n * 1e-12, 'T'),
        n if n > 1e9 => (n * 1e-9, 'B'),
        n if n > 1e6 => (n * 1e-6, 'M'),
        n => (n * 1e-3, 'K'),
    };
    let digits = (scaled.round_ties_even() as u64).checked_ilog10().map_or(0, |n| n as usize + 1);
    format!("{scaled:.*}{letter}", 2usize.saturating_sub(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(id: &str, weights: u64) -> [Option<String>; 5] {
        let i = Identity::parse(id, Extent { weights, is_adapter: false });
        [i.organization, i.basename, i.finetune, i.version, i.size_label]
    }

    #[test]
    fn names_are_taken_apart_as_llama_cpp_does() {
        let some = |text: &str| Some(text.to_owned());
        let none = || None;
        let cases = [
            ("SmolLM2-135M-Instruct", 134_515_008, [none(), some("SmolLM2"), some("Instruct"), none(), some("135M")]),
            ("sample", 7_344_384, [none(), none(), none(), none(), none()]),
            (
                "meta-llama/Llama-3.2-1B-Instruct",
                1_235_814_400,
                [some("meta-llama"), some("Llama-3.2"), some("Instruct"), none(), some("1B")],
            ),
            ("Mistral-7B-v0.1", 7_241_732_096, [none(), some("Mistral"), none(), some("v0.1"), some("7B")]),
            ("bloom-7b1", 7_069_016_064, [none(), some("bloom"), none(), none(), some("7.1B")]),
            (
                "Phi-3-mini-4k-instruct",
                3_821_079_552,
                [none(), some("Phi-3"), some("4k-instruct"), none(), some("mini")],
            ),
        ];
        for (id, parameters, expected) in cases {
            assert_eq!(parse(id, parameters), expected, "{id}");
        }
    }

    #[test]
    fn titles_and_sizes_read_well() {
        assert_eq!(title("SmolLM2-135M-Instruct"), "SmolLM2 135M Instruct");
        assert_eq!(title("sample"), "Sample");
        assert_eq!(title("my-model-v2-7b"), "My Model v2 7b");
        let sizes =
            [(7_344_384, "7.3M"), (134_515_008, "135M"), (494_032_768, "494M"), (1_235_814_400, "1.2B"), (900, "0.9K")];
        for (parameters, expected) in sizes {
            assert_eq!(rounded(parameters), expected);
        }
    }
}
