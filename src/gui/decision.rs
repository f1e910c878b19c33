//! What the user decided for the opened model: all that undo brings back.

use crate::imatrix::Imatrix;
use crate::model::{PRE_TOKENIZER, Setting};
use crate::quant::FormatRef;
use crate::recipe::{Level, PRESETS, Preset};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file of a size, with a type for every tensor that loses least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The most bytes of the file.
    pub bytes: u64,
    /// How much is spent on it.
    pub level: Level,
}

/// A user's choices: all that undo brings back.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The type that the window shows the plan of.
    pub preset: &'static Preset,
    /// The types to write, in the order of [`PRESETS`]. A single one is the one shown.
    pub ticked: Vec<&'static Preset>,
    /// A size that is asked for instead of a type.
    pub size: Option<Asked>,
    /// How much each column counts.
    pub imatrix: Option<Arc<Imatrix>>,
    /// Formats chosen for single tensors, by their place in [`Model::tensors`]. They win over the patterns.
    pub picks: BTreeMap<usize, FormatRef>,
    /// Lines of the form `PATTERN=TYPE`, as typed.
    pub patterns: Vec<String>,
    /// Changes to the metadata; one for a key at most.
    pub settings: Vec<Setting>,
    /// The pre-tokenizer to use although it cuts some text otherwise than the model's own.
    pub pre_tokenizer: Option<&'static str>,
}

impl PartialEq for Decision {
    /// An importance matrix equals itself only: its numbers are many.
    fn eq(&self, other: &Self) -> bool {
        let matrix = |decision: &Self| decision.imatrix.as_ref().map(Arc::as_ptr);
        self.preset == other.preset
            && self.ticked == other.ticked
            && self.size == other.size
            && matrix(self) == matrix(other)
            && self.picks == other.picks
            && self.patterns == other.patterns
            && self.settings == other.settings
            && self.pre_tokenizer == other.pre_tokenizer
    }
}

impl Decision {
    /// Without overrides.
    pub(super) fn new(preset: &'static Preset) -> Self {
        Self {
            preset,
            ticked: vec![preset],
            size: None,
            imatrix: None,
            picks: BTreeMap::new(),
            patterns: Vec::new(),
            settings: Vec::new(),
            pre_tokenizer: None,
        }
    }

    /// The metadata keys that are not as they came, in a model of this architecture.
    pub fn changed_keys(&self, architecture: &str) -> Vec<String> {
        let settings = self.settings.iter().map(|setting| setting.key(architecture));
        settings.chain(self.pre_tokenizer.map(|_| PRE_TOKENIZER.to_owned())).collect()
    }

    /// Shows a type, and writes it where no others are ticked.
    pub fn show(&mut self, preset: &'static Preset) {
        (self.preset, self.size) = (preset, None);
        if self.ticked.len() == 1 {
            self.ticked = vec![preset];
        }
    }

    /// Writes a type besides the others, or no longer. One at least is written.
    pub fn tick(&mut self, preset: &'static Preset) {
        self.size = None;
        let is_ticked = |of: &&Preset| (**of == *preset) != self.ticked.contains(of);
        let ticked: Vec<&Preset> = PRESETS.iter().filter(is_ticked).collect();
        match ticked[..] {
            [] => {}
            [only] => (self.preset, self.ticked) = (only, ticked),
            _ => self.ticked = ticked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::preset_from_name;

    fn names(decision: &Decision) -> Vec<&str> {
        std::iter::once(decision.preset).chain(decision.ticked.iter().copied()).map(|preset| preset.name).collect()
    }

    #[test]
    fn a_single_type_is_the_one_shown_and_several_stay() {
        let [f16, q8, q4] = ["F16", "Q8_0", "Q4_0"].map(|name| preset_from_name(name).unwrap());
        let mut decision = Decision::new(q4);
        decision.show(q8);
        assert_eq!(names(&decision), ["Q8_0", "Q8_0"]);
        decision.tick(q8);
        assert_eq!(names(&decision), ["Q8_0", "Q8_0"], "one at least is written");
        decision.tick(q4);
        decision.tick(f16);
        assert_eq!(names(&decision), ["Q8_0", "F16", "Q8_0", "Q4_0"], "in the order of the list");
        decision.tick(q8);
        decision.show(q8);
        assert_eq!(names(&decision), ["Q8_0", "F16", "Q4_0"], "to look at a type does not write it");
        decision.tick(f16);
        assert_eq!(names(&decision), ["Q4_0", "Q4_0"]);
    }
}
