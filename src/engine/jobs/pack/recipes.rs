//! Recipes of mixes, written beside their files.

use crate::engine::command::{PackOutput, PackRequest};
use crate::engine::worker::{Context, Stop};
use crate::recipe::Mix;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Refuses what would be written over something that must stay.
pub(super) fn check(request: &PackRequest) -> Result<(), Stop> {
    for (output, _) in mixes(request) {
        let path = output.recipe_path();
        let problem = if path == output.path {
            "the file and its recipe would have the same name; choose another ending than .toml"
        } else if path.exists() && !request.overwrite {
            "this recipe exists; choose another name, or allow it to be replaced (--force)"
        } else {
            continue;
        };
        return Err(Stop::Failed(format!("{}: {problem}", path.display())));
    }
    Ok(())
}

/// Writes the recipe of each mix, where that is asked for; in the order of the outputs. The files are there already, so a
/// failure is no more than a warning.
pub(super) fn write(request: &PackRequest, context: &Context<'_>) -> Vec<Option<PathBuf>> {
    let write = |output: &PackOutput| {
        let (_, mix) = mixes(request).find(|(of, _)| std::ptr::eq(*of, output))?;
        let path = output.recipe_path();
        match replace(&path, &Mix::write(&output.recipe, mix)) {
            Ok(()) => Some(path),
            Err(error) => {
                context.warn(format!("the recipe {} could not be written: {error}", path.display()));
                None
            }
        }
    };
    request.outputs.iter().map(write).collect()
}

/// The outputs whose recipes are to be written.
fn mixes(request: &PackRequest) -> impl Iterator<Item = (&PackOutput, &Mix)> {
    let outputs = request.outputs.iter().filter(|_| request.recipes);
    outputs.filter_map(|output| Some((output, output.recipe.mix.as_deref()?)))
}

/// The file has its name when it is whole.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
