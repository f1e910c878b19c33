//! The file being written: beside its target under a temporary name, until it is whole, verified and on the disk.

use crate::engine::event::{Progress, Stage};
use crate::engine::worker::{Context, Stop};
use crate::gguf;
use crate::model::Model;
use crate::positioned::{read_at, write_at};
use crate::recipe::Plan;
use rayon::prelude::*;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Written and read back at once, per thread.
const PART: usize = 1 << 20;

/// A file that exists under its own name only once [`Output::keep`] has succeeded. Dropping it removes what was written.
pub(super) struct Output {
    temporary: NamedTempFile,
    target: PathBuf,
    overwrite: bool,
    file_bytes: u64,
}

impl Output {
    /// Checks everything that can be checked before work begins, and creates the temporary file.
    pub(super) fn create(target: &Path, overwrite: bool, model: &Model, file_bytes: u64) -> Result<Self, Stop> {
        let fail = |problem: String| Err(Stop::Failed(format!("{}: {problem}", target.display())));
        if target.is_dir() {
            return fail("this is a folder; name the file to write".to_owned());
        }
        if target.exists() {
            let same = |path: &Path| Some(path.canonicalize().ok()? == target.canonicalize().ok()?);
            if model.files.iter().any(|file| same(&file.path) == Some(true)) {
                return fail(
                    "this is a file of the model being packed, which is never changed; choose another name".to_owned(),
                );
            }
            if !overwrite {
                return fail("this file exists; choose another name, or allow it to be replaced (--force)".to_owned());
            }
        }
        let folder = match target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return fail(format!("the folder {} does not exist; create it first", folder.display()));
        }
        let free = fs4::available_space(folder).unwrap_or(u64::MAX);
        if free < file_bytes {
            return fail(format!(
                "{} would take {file_bytes} bytes, and {} has {free} free; free some space or choose another disk",
                target.file_name().unwrap_or_default().display(),
                folder.display()
            ));
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        builder.prefix(&prefix).suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        match builder.tempfile_in(folder) {
            Ok(temporary) => Ok(Self { temporary, target: target.to_owned(), overwrite, file_bytes }),
            Err(error) => {
                fail(format!("nothing can be written to {}: {error}; choose another folder", folder.display()))
            }
        }
    }

    /// Writes bytes at a position of the file and returns their hash.
    pub(super) fn write(&self, position: u64, bytes: &[u8]) -> Result<u64, Stop> {
        let file = self.temporary.as_file();
        let parts = bytes.par_chunks(PART).enumerate();
        let write = || parts.map(|(n, part)| write_at(file, position + (n * PART) as u64, part)).collect();
        let (hash, written): (u64, io::Result<()>) = rayon::join(|| xxh3_64(bytes), write);
        written.map_err(|error| self.failed("written", &error))?;
        Ok(hash)
    }

    /// Writes the header and gives the file its full length.
    pub(super) fn write_header(&self, header: &[u8]) -> Result<(), Stop> {
        self.write(0, header)?;
        self.temporary.as_file().set_len(self.file_bytes).map_err(|error| self.failed("written", &error))
    }

    /// Reads bytes back, which have to have the hash they had when they were written.
    pub(super) fn check(&self, name: &str, position: u64, bytes: u64, hash: u64) -> Result<(), Stop> {
        let found = hash_range(self.temporary.as_file(), position, bytes);
        match found.map_err(|error| self.failed("read back", &error))? == hash {
            true => Ok(()),
            false => Err(self.differs(&format!("the tensor {name} reads back differently; the disk may be failing"))),
        }
    }

    /// Reads the header back, which has to parse to what was planned.
    pub(super) fn verify_header(&self, model: &Model, plan: &Plan) -> Result<(), Stop> {
        let file = File::open(self.temporary.path()).map_err(|error| self.failed("read back", &error))?;
        let header = gguf::read_header(io::BufReader::new(&file), self.file_bytes)
            .map_err(|error| self.differs(&format!("its header cannot be read: {error}")))?;
        let expected = model.tensors.iter().zip(&plan.tensors);
        let same = header.tensors.len() == model.tensors.len()
            && header.tensors.iter().zip(expected).all(|(found, (tensor, planned))| {
                found.name == tensor.name
                    && found.shape == tensor.shape
                    && found.format == planned.format
                    && found.offset == planned.offset
            });
        if !same || header.metadata.len() != plan.metadata(model).len() {
            return Err(self.differs("its header lists other tensors than were written"));
        }
        Ok(())
    }

    /// Waits until the disk holds the file, then gives it its name.
    pub(super) fn keep(self, context: &Context<'_>) -> Result<(), Stop> {
        if context.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let (done, total) = (self.file_bytes, self.file_bytes);
        let tensor = String::new();
        context.progress(Progress { stage: Stage::Flushing, done, total, rate: 0.0, remaining: None, tensor });
        self.temporary.as_file().sync_all().map_err(|error| self.failed("flushed to the disk", &error))?;
        let Self { temporary, target, overwrite, .. } = self;
        let kept = if overwrite { temporary.persist(&target) } else { temporary.persist_noclobber(&target) };
        kept.map_err(|error| {
            Stop::Failed(format!("{}: the finished file could not be renamed: {}", target.display(), error.error))
        })?;
        // The rename itself has to reach the disk too, where a folder can be flushed.
        #[cfg(unix)]
        if let Some(folder) = target.parent()
            && let Ok(folder) = File::open(if folder == Path::new("") { Path::new(".") } else { folder })
        {
            let _ = folder.sync_all();
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

fn hash_range(file: &File, start: u64, bytes: u64) -> io::Result<u64> {
    let mut hash = Xxh3::new();
    let mut part = vec![0; PART.min(bytes as usize)];
    let mut done = 0;
    while done < bytes {
        let part = &mut part[..(bytes - done).min(PART as u64) as usize];
        read_at(file, start + done, part)?;
        hash.update(part);
        done += part.len() as u64;
    }
    Ok(hash.digest())
}
