//! The list of types: which of them are in sight.

use crate::recipe::{PRESETS, Preset};

/// What the list shows.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// Part of a name, an explanation or a group's title, in any case.
    pub filter: String,
}

impl Picker {
    /// The types in sight, in the order of [`PRESETS`].
    pub fn shown(&self) -> Vec<&'static Preset> {
        let wanted = self.filter.trim().to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        PRESETS.iter().filter(|preset| has(preset.name) || has(preset.about) || has(preset.group.title())).collect()
    }

    /// The type `step` further down from `preset`, without running over the ends of what is in sight.
    pub fn neighbour(&self, preset: &'static Preset, step: isize) -> &'static Preset {
        let shown = self.shown();
        match shown.iter().position(|of| *of == preset) {
            Some(place) => shown[place.saturating_add_signed(step).min(shown.len() - 1)],
            None => shown.first().copied().unwrap_or(preset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::preset_from_name;

    #[test]
    fn the_filter_finds_names_explanations_and_groups() {
        let shown = |text: &str| -> Vec<&str> {
            Picker { filter: text.to_owned() }.shown().iter().map(|preset| preset.name).collect()
        };
        assert_eq!(shown(""), PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>());
        assert_eq!(shown(" q6_k "), ["Q6_K"]);
        assert!(shown("phones").contains(&"Q4_0"));
        assert_eq!(shown("8 and 6 bits"), ["Q8_0", "Q6_K"]);
        assert!(shown("no such thing").is_empty());
    }

    #[test]
    fn the_arrows_stay_among_what_is_in_sight() {
        let [q8, q6, q4] = ["Q8_0", "Q6_K", "Q4_0"].map(|name| preset_from_name(name).unwrap());
        let picker = Picker { filter: "8 and 6 bits".to_owned() };
        assert_eq!(picker.neighbour(q8, 1), q6);
        assert_eq!(picker.neighbour(q6, 1), q6);
        assert_eq!(picker.neighbour(q4, 1), q8, "from a type that is not in sight, to the first that is");
        assert_eq!(Picker { filter: "no such thing".to_owned() }.neighbour(q4, 1), q4);
    }
}
