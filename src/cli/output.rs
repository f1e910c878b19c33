//! Where `tuck pack` writes: what `-o` says, for one type or several.

use std::path::{Path, PathBuf, is_separator};

/// Stands for the type in what `-o` says.
const TYPE: &str = "{type}";

/// The path of the file of type `preset`, one of `count`. `default` is the name it has where none is given.
pub(super) fn path(given: Option<&Path>, preset: &str, count: usize, default: String) -> Result<PathBuf, String> {
    let Some(given) = given else { return Ok(default.into()) };
    if let Some(text) = given.to_str().filter(|text| text.contains(TYPE)) {
        return Ok(text.replace(TYPE, preset).into());
    }
    if given.is_dir() || given.to_string_lossy().ends_with(is_separator) {
        return Ok(given.join(default));
    }
    match count {
        1 => Ok(given.to_owned()),
        _ => Err(format!(
            "{}: this is the name of one file, and {count} types were asked for; name a folder (with a / at its end), or \
             put {TYPE} where the type belongs in the name, such as model-{TYPE}.gguf",
            given.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_never_given_to_two_files() {
        let named =
            |given: Option<&str>, count| path(given.map(Path::new), "Q6_K", count, "Model-Q6_K.gguf".to_owned());
        for count in [1, 3] {
            assert_eq!(named(None, count), Ok("Model-Q6_K.gguf".into()));
            assert_eq!(named(Some("out/"), count), Ok("out/Model-Q6_K.gguf".into()));
            assert_eq!(named(Some("{type}/m-{type}.gguf"), count), Ok("Q6_K/m-Q6_K.gguf".into()));
            assert_eq!(named(Some("."), count), Ok("./Model-Q6_K.gguf".into()));
        }
        assert_eq!(named(Some("m.gguf"), 1), Ok("m.gguf".into()));
        let refused = named(Some("m.gguf"), 3).unwrap_err();
        assert!(refused.contains("m.gguf") && refused.contains("3 types") && refused.contains(TYPE), "{refused}");
    }
}
