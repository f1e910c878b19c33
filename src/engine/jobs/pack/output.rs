//! The files being written, each beside its target under a temporary name, until it is whole, verified and on the disk.

use crate::engine::event::{Progress, Stage};
use crate::engine::worker::{Context, Stop};
use crate::gguf;
use crate::model::Model;
use crate::positioned::{read_at, write_at};
use crate::recipe::Plan;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Read back at once, per thread.
const PART: usize = 128 << 10;

/// A file to be written.
pub(super) struct Target<'a> {
    pub(super) path: &'a Path,
    /// Its length.
    pub(super) bytes: u64,
}

/// A file that exists under its own name only once [`keep`] has renamed it. Dropping it removes what was written.
pub(super) struct Output {
    temporary: NamedTempFile,
    target: PathBuf,
    overwrite: bool,
    file_bytes: u64,
}

/// Checks everything that can be checked before work begins, and creates the temporary files.
pub(super) fn create(targets: &[Target<'_>], overwrite: bool, model: &Model) -> Result<Vec<Output>, Stop> {
    let mut seen = HashSet::new();
    let mut needed: HashMap<PathBuf, u64> = HashMap::new();
    for Target { path, bytes } in targets {
        let folder = check(path, overwrite, model)?;
        if !seen.insert(folder.join(path.file_name().unwrap_or_default())) {
            return Err(refused(path, "two of the outputs would have this name; give each its own"));
        }
        *needed.entry(folder).or_default() += bytes;
    }
    for (folder, bytes) in needed {
        let free = fs4::available_space(&folder).unwrap_or(u64::MAX);
        if free < bytes {
            let problem = format!(
                "what is to be written here takes {bytes} bytes, and {free} are free; free some space or choose another disk"
            );
            return Err(refused(&folder, &problem));
        }
    }
    targets.iter().map(|target| Output::create(target, overwrite)).collect()
}

/// Refuses a target that cannot be written or must not be, and returns its folder.
fn check(target: &Path, overwrite: bool, model: &Model) -> Result<PathBuf, Stop> {
    let fail = |problem: &str| Err(refused(target, problem));
    if target.is_dir() {
        return fail("this is a folder; name the file to write");
    }
    if target.exists() {
        let same = |path: &Path| Some(path.canonicalize().ok()? == target.canonicalize().ok()?);
        if model.files.iter().any(|file| same(&file.path) == Some(true)) {
            return fail("this is a file of the model being packed, which is never changed; choose another name");
        }
        if !overwrite {
            return fail("this file exists; choose another name, or allow it to be replaced (--force)");
        }
    }
    let folder = folder_of(target);
    match folder.canonicalize() {
        Ok(found) if found.is_dir() => Ok(found),
        _ => fail(&format!("the folder {} does not exist; create it first", folder.display())),
    }
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn refused(target: &Path, problem: &str) -> Stop {
    Stop::Failed(format!("{}: {problem}", target.display()))
}

/// Waits until the disk holds every file, then gives each its name. A rename that fails, which nothing before it foretold,
/// leaves those before it in place and says so.
pub(super) fn keep(files: Vec<Output>, context: &Context<'_>) -> Result<(), Stop> {
    let total = files.iter().map(|file| file.file_bytes).sum();
    let mut done = 0;
    for file in &files {
        if context.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let tensor = String::new();
        context.progress(Progress { stage: Stage::Flushing, done, total, rate: 0.0, remaining: None, tensor });
        file.temporary.as_file().sync_all().map_err(|error| file.failed("flushed to the disk", &error))?;
        done += file.file_bytes;
    }
    if context.is_cancelled() {
        return Err(Stop::Cancelled);
    }
    if let Some(file) = files.iter().find(|file| !file.overwrite && file.target.exists()) {
        return Err(refused(
            &file.target,
            "this file has appeared meanwhile, so nothing was kept; choose another name",
        ));
    }
    let mut kept: Vec<PathBuf> = Vec::new();
    for Output { temporary, target, overwrite, .. } in files {
        let named = if overwrite { temporary.persist(&target) } else { temporary.persist_noclobber(&target) };
        if let Err(error) = named {
            let before = match kept.as_slice() {
                [] => "nothing was kept".to_owned(),
                names => {
                    let names = names.iter().map(|name| name.display().to_string());
                    format!("kept before it: {}", names.collect::<Vec<_>>().join(", "))
                }
            };
            let problem = format!("the finished file could not be renamed: {}; {before}", error.error);
            return Err(refused(&target, &problem));
        }
        // The rename itself has to reach the disk too, where a folder can be flushed.
        #[cfg(unix)]
        if let Ok(folder) = File::open(folder_of(&target)) {
            let _ = folder.sync_all();
        }
        kept.push(target);
    }
    Ok(())
}

impl Output {
    fn create(target: &Target<'_>, overwrite: bool) -> Result<Self, Stop> {
        let name = target.path.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let folder = folder_of(target.path);
        match builder.tempfile_in(folder) {
            Ok(temporary) => {
                Ok(Self { temporary, target: target.path.to_owned(), overwrite, file_bytes: target.bytes })
            }
            Err(error) => {
                let folder = folder.display();
                let problem = format!("nothing can be written to {folder}: {error}; choose another folder");
                Err(refused(target.path, &problem))
            }
        }
    }

    /// Writes bytes at a position of the file. By one thread: a file takes one write at a time.
    pub(super) fn write(&self, position: u64, bytes: &[u8]) -> Result<(), Stop> {
        write_at(self.temporary.as_file(), position, bytes).map_err(|error| self.failed("written", &error))
    }

    /// Writes the header, reads it back, and gives the file its full length.
    pub(super) fn write_header(&self, header: &[u8]) -> Result<(), Stop> {
        self.write(0, header)?;
        self.temporary.as_file().set_len(self.file_bytes).map_err(|error| self.failed("written", &error))?;
        self.check("its header", 0, header)
    }

    /// Reads bytes back, which have to be those that were written.
    pub(super) fn check(&self, what: &str, position: u64, written: &[u8]) -> Result<(), Stop> {
        let parts = written.par_chunks(PART).enumerate();
        let same = parts.map_init(Vec::new, |read, (n, part)| {
            read.resize(part.len(), 0);
            read_at(self.temporary.as_file(), position + (n * PART) as u64, read).map(|()| *read == part)
        });
        match same.try_reduce(|| true, |a, b| Ok(a && b)).map_err(|error| self.failed("read back", &error))? {
            true => Ok(()),
            false => Err(self.differs(&format!("{what} reads back differently; the disk may be failing"))),
        }
    }

    /// Understands the header again, which has to list what was planned for this file.
    pub(super) fn verify_header(&self, model: &Model, plan: &Plan, file: usize) -> Result<(), Stop> {
        let expected = model.tensors.iter().zip(&plan.tensors).filter(|(_, planned)| planned.file == file);
        let file = File::open(self.temporary.path()).map_err(|error| self.failed("read back", &error))?;
        let header = gguf::read_header(io::BufReader::new(&file), self.file_bytes)
            .map_err(|error| self.differs(&format!("its header cannot be read: {error}")))?;
        let same = header.tensors.len() == expected.clone().count()
            && header.tensors.iter().zip(expected).all(|(found, (tensor, planned))| {
                found.name == tensor.name
                    && found.shape == tensor.shape
                    && found.format == planned.format
                    && found.offset == planned.offset
            });
        if !same {
            return Err(self.differs("its header lists other tensors than were written"));
        }
        Ok(())
    }

    fn failed(&self, what: &str, error: &io::Error) -> Stop {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull => "the disk is full, so free some space or choose another disk",
            _ => "check the disk and try again",
        };
        Stop::Failed(format!("{}: it could not be {what}: {error}; {advice}; nothing was kept", self.target.display()))
    }

    fn differs(&self, problem: &str) -> Stop {
        Stop::Failed(format!(
            "{}: the written file is not what was meant: {problem}; nothing was kept",
            self.target.display()
        ))
    }
}
