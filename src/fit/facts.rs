//! Settings of a family in GGUF metadata, by their name after the family's.

use crate::gguf::Value;
use std::collections::HashMap;

/// Metadata of one family.
pub(super) struct Facts<'a> {
    pairs: HashMap<&'a str, &'a Value>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(architecture: &str, metadata: &'a [(String, Value)]) -> Self {
        let own = |key: &'a str| key.strip_prefix(architecture).and_then(|rest| rest.strip_prefix('.'));
        Self { pairs: metadata.iter().filter_map(|(key, value)| Some((own(key)?, value))).collect() }
    }

    /// A whole number, or 0.
    pub(super) fn whole(&self, key: &str) -> u64 {
        self.pairs.get(key).and_then(|value| value.as_u64()).unwrap_or(0)
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.pairs.get(key)? {
            Value::F32(x) => Some(f64::from(*x)),
            Value::F64(x) => Some(*x),
            other => other.as_u64().map(|n| n as f64),
        }
    }

    /// Whether a number is there and not 0.
    pub(super) fn has(&self, key: &str) -> bool {
        self.number(key).is_some_and(|x| x != 0.0)
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.pairs.get(key) {
            Some(Value::Bool(yes)) => Some(*yes),
            _ => None,
        }
    }

    /// A list of yes or no, one a layer.
    pub(super) fn flags(&self, key: &str) -> Option<Vec<bool>> {
        let array = self.pairs.get(key)?.as_array()?;
        let truth = |value: &Value| match value {
            Value::Bool(yes) => *yes,
            other => other.as_u64().is_some_and(|n| n != 0),
        };
        Some(array.values.iter().map(truth).collect())
    }
}
