//! A model in several GGUF files, as llama.cpp's gguf-split names and marks them.
//!
//! The files are called `NAME-00001-of-00003.gguf` and so on. The first has the model's metadata; the others have only
//! their tensors; and each says in three keys which one it is.

use super::{GgufError, Metadata, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// `split.count` is a u16.
pub const MAX_SHARDS: usize = u16::MAX as usize;

const INDEX: &str = "split.no";
const TENSORS: &str = "split.tensors.count";
const COUNT: &str = "split.count";

/// The place of a file among those of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0 (`split.no`).
    pub index: usize,
    /// How many files the model has (`split.count`).
    pub count: usize,
    /// How many tensors the model has (`split.tensors.count`).
    pub tensors: usize,
}

impl Shard {
    /// The keys that say so, with the types llama.cpp wants and in the order gguf-split writes them.
    pub fn metadata(self) -> Metadata {
        vec![
            (INDEX.to_owned(), Value::U16(self.index as u16)),
            (TENSORS.to_owned(), Value::I32(self.tensors as i32)),
            (COUNT.to_owned(), Value::U16(self.count as u16)),
        ]
    }

    /// Takes these keys out of a file's metadata. None where the file is the whole model.
    pub fn take(metadata: &mut Metadata) -> Result<Option<Self>, GgufError> {
        let mut number = |key: &str| {
            let at = metadata.iter().position(|(found, _)| found == key);
            at.map(|at| metadata.remove(at).1)
                .map(|value| match value.as_u64() {
                    Some(number) if number <= i32::MAX as u64 => Ok(number as usize),
                    _ => Err(GgufError::Invalid(format!("{key} is {value}; a small whole number was expected"))),
                })
                .transpose()
        };
        let (index, tensors, count) = (number(INDEX)?, number(TENSORS)?, number(COUNT)?);
        let Some(count) = count.filter(|count| *count > 1) else { return Ok(None) };
        let absent = |key: &str| GgufError::Invalid(format!("{COUNT} is {count}, and there is no {key}"));
        let index = index.ok_or_else(|| absent(INDEX))?;
        let tensors = tensors.ok_or_else(|| absent(TENSORS))?;
        if count > MAX_SHARDS || index >= count {
            return Err(GgufError::Invalid(format!(
                "{INDEX} is {index} and {COUNT} is {count}; the first has to be smaller than the second, and the second at \
                 most {MAX_SHARDS}"
            )));
        }
        Ok(Some(Self { index, count, tensors }))
    }

    /// The path of this file, where `whole` is what the whole model would be called.
    pub fn path(self, whole: &Path) -> PathBuf {
        let is_gguf = whole.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        let stem = if is_gguf { whole.file_stem() } else { whole.file_name() };
        let mut name = OsString::from(stem.unwrap_or_default());
        name.push(self.ending());
        whole.with_file_name(name)
    }

    /// What the whole model would be called, from the path of this file; none where its name does not end as it should.
    pub fn whole(self, path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?.to_str()?.strip_suffix(&self.ending())?;
        (!name.is_empty()).then(|| path.with_file_name(format!("{name}.gguf")))
    }

    /// How the file's name ends: `-00001-of-00003.gguf`.
    pub fn ending(self) -> String {
        format!("-{:05}-of-{:05}.gguf", self.index + 1, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_there_and_back() {
        let shard = Shard { index: 1, count: 3, tensors: 9 };
        for (whole, path) in [
            ("a/m.gguf", "a/m-00002-of-00003.gguf"),
            ("m.v1.gguf", "m.v1-00002-of-00003.gguf"),
            ("m-0.5B", "m-0.5B-00002-of-00003.gguf"),
        ] {
            assert_eq!(shard.path(Path::new(whole)), Path::new(path));
            assert_eq!(shard.path(&shard.whole(Path::new(path)).unwrap()), Path::new(path));
        }
        for name in ["m.gguf", "m-00001-of-00003.gguf", "m-00002-of-00004.gguf", "-00002-of-00003.gguf"] {
            assert_eq!(shard.whole(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn keys_lead_there_and_back() {
        let shard = Shard { index: 2, count: 3, tensors: 291 };
        let mut metadata = [vec![("general.name".to_owned(), "m".into())], shard.metadata()].concat();
        assert_eq!(Shard::take(&mut metadata).unwrap(), Some(shard));
        assert_eq!(metadata.len(), 1);
        assert_eq!(Shard::take(&mut metadata).unwrap(), None);
        let mut single = Shard { index: 0, count: 1, tensors: 291 }.metadata();
        assert_eq!((Shard::take(&mut single).unwrap(), single.len()), (None, 0));
        for lie in [Shard { index: 3, ..shard }, Shard { count: 2, ..shard }] {
            assert!(Shard::take(&mut lie.metadata()).is_err(), "{lie:?}");
        }
        for missing in 0..2 {
            let mut metadata = shard.metadata();
            metadata.remove(missing);
            assert!(Shard::take(&mut metadata).is_err());
        }
        assert!(Shard::take(&mut vec![(COUNT.to_owned(), "three".into())]).is_err());
    }
}
