//! The values of `--effort`.

use crate::recipe::Level;
use clap::ValueEnum;
use clap::builder::PossibleValue;

impl ValueEnum for Level {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}
