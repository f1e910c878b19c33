//! An open input file, read by position.

use super::OpenError;
use crate::positioned;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that stays open for its clones, too, with the length it had when it was opened.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// As named by the user or the index.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    file: Arc<File>,
}

impl SourceFile {
    /// Opens a regular file for reading.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(|error| OpenError::io(path, &error))?;
        let found = file.metadata().map_err(|error| OpenError::io(path, &error))?;
        if !found.is_file() {
            return Err(OpenError::new(path, "it is not a regular file; name a file or a folder of files"));
        }
        Ok(Self { path: path.to_owned(), bytes: found.len(), file: Arc::new(file) })
    }

    /// Fills `out` from the bytes at `offset`. The file's own position is not used, so threads can share it.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        positioned::read_at(&self.file, offset, out)
    }

    /// A sequential reader from the start.
    pub fn reader(&self) -> impl Read + '_ {
        Cursor { file: self, at: 0 }
    }
}

struct Cursor<'a> {
    file: &'a SourceFile,
    at: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(self.file.bytes.saturating_sub(self.at) as usize);
        self.file.read_at(self.at, &mut out[..len])?;
        self.at += len as u64;
        Ok(len)
    }
}
