//! The values of `--effort`.

use crate::quant::Effort;
use clap::ValueEnum;
use clap::builder::PossibleValue;

impl ValueEnum for Effort {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}
