//! The bundled sample model: in the source tree, beside the program, or unpacked from the program itself.

use directories::ProjectDirs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../assets/sample/", $name)))),*]
    };
}

/// What the program carries.
static FILES: &[(&str, &[u8])] =
    files!["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

/// A folder that holds the sample.
pub(super) fn folder() -> io::Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("assets/sample")));
    let in_source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample");
    if let Some(found) = beside.into_iter().chain([in_source]).find(|folder| folder.join("config.json").is_file()) {
        return Ok(found);
    }
    let cache = ProjectDirs::from("", "", "tuck").map(|dirs| dirs.cache_dir().join("sample"));
    unpack(&cache.unwrap_or_else(|| std::env::temp_dir().join("tuck-sample")))
}

/// Writes what is not there yet, or not of the right length.
fn unpack(folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in FILES {
        let path = folder.join(name);
        if std::fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64) {
            continue;
        }
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
    }
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carried_sample_opens_from_any_folder() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = unpack(&folder.path().join("sample")).unwrap();
        let model = crate::model::Model::open(&unpacked).unwrap();
        assert_eq!((model.card.layers, model.card.vocabulary), (8, 4096));
    }
}
