//! One file: into a name of its own, continued after a break, compared with its digest, renamed.

use super::client::Client;
use super::digest::{Digest, Hasher};
use super::error::HubError;
use super::listing::Entry;
use super::pull::Tally;
use super::stream::{Interrupted, Stream};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tries without a byte of progress.
const TRIES: u32 = 5;

/// Before the second try; twice as long before each that follows.
const PAUSE: Duration = Duration::from_millis(500);

/// Bytes read at once of what is there.
const READ: usize = 1 << 20;

/// How a file came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was there before.
    Kept,
    /// It came over the network, after so many bytes that were there.
    Fetched {
        /// From an earlier try.
        resumed_at: u64,
    },
}

/// What has been fetched of a file, beside its place. The digest in its name keeps states of a repository apart.
pub(super) fn part_path(entry: &Entry, folder: &Path) -> PathBuf {
    let mut name = entry.place(folder).into_os_string();
    match &entry.digest {
        Some(digest) => name.push(format!(".{:.16}.part", digest.to_string())),
        None => name.push(".part"),
    }
    name.into()
}

/// Brings a file to its place, where it is not there yet.
pub(super) fn fetch(
    client: &Client,
    commit: &str,
    entry: &Entry,
    (folder, replace): (&Path, bool),
    tally: &mut Tally<'_>,
) -> Result<Origin, HubError> {
    let place = entry.place(folder);
    if place.exists() {
        if is_same(&place, entry, tally)? {
            return Ok(Origin::Kept);
        }
        if !replace {
            return Err(HubError::exists(place));
        }
    }
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent).map_err(|error| HubError::io(parent, "made", &error))?;
    }
    let path = part_path(entry, folder);
    let mut part = Part::open(&path, entry, tally)?;
    if let Some(cached) = client.cached(entry).filter(|_| part.length == 0) {
        part.copy(&cached, tally)?;
    }
    let resumed_at = part.length;
    if let Err(error) = part.complete(client, commit, tally) {
        part.leave();
        return Err(error);
    }
    part.finish(&place)?;
    Ok(Origin::Fetched { resumed_at })
}

/// Whether what is there is what the hub has, as far as can be told.
fn is_same(place: &Path, entry: &Entry, tally: &mut Tally<'_>) -> Result<bool, HubError> {
    let refuse = |error: &io::Error| HubError::io(place, "read", error);
    let mut file = File::open(place).map_err(|error| refuse(&error))?;
    if file.metadata().map_err(|error| refuse(&error))?.len() != entry.bytes {
        return Ok(false);
    }
    let Some(digest) = &entry.digest else { return Ok(true) };
    let mut hasher = digest.start(entry.bytes);
    hash(&mut file, entry.bytes, &mut hasher, entry, tally).map_err(|stop| stop.told(place))?;
    Ok(hasher.finish() == *digest)
}

/// Counts the first bytes of a file into a digest.
fn hash(
    file: &mut File,
    length: u64,
    hasher: &mut Hasher,
    entry: &Entry,
    tally: &mut Tally<'_>,
) -> Result<(), Stopped> {
    let mut reader = file.take(length);
    let mut buffer = vec![0; READ];
    let start = tally.done();
    let mut done = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            read => {
                hasher.update(&buffer[..read]);
                done += read as u64;
                tally.reach(start + done, &entry.path);
            }
        }
        if tally.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
    }
}

enum Stopped {
    Cancelled,
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Stopped {
    fn told(self, path: &Path) -> HubError {
        match self {
            Self::Cancelled => HubError::Cancelled,
            Self::Io(error) => HubError::io(path, "read", &error),
        }
    }
}

/// A file on its way, which nobody else writes.
struct Part<'e> {
    path: PathBuf,
    file: File,
    entry: &'e Entry,
    /// Bytes that are there and counted.
    length: u64,
    /// None where there is no digest to compare with.
    hasher: Option<Hasher>,
    /// What the tally had before this file.
    base: u64,
}

impl<'e> Part<'e> {
    /// Opens what an earlier try left, or a new one.
    fn open(path: &Path, entry: &'e Entry, tally: &mut Tally<'_>) -> Result<Self, HubError> {
        let refuse = |error: &io::Error| HubError::io(path, "written", error);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.map_err(|error| refuse(&error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let path = path.display();
                return Err(HubError::failed(format!("{path}: it is being fetched already; wait until that ends")));
            }
            // A file system without locks is no reason to stop.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let base = tally.done();
        let mut part = Self { path: path.to_owned(), file, entry, length: 0, hasher: None, base };
        let found = part.file.metadata().map_err(|error| refuse(&error))?.len();
        part.restart().map_err(|error| refuse(&error))?;
        // Without a digest nobody could tell whether an old beginning fits a new end.
        if entry.digest.is_some() && found <= entry.bytes {
            let hasher = part.hasher.as_mut().expect("there is a digest");
            hash(&mut part.file, found, hasher, entry, tally).map_err(|stop| stop.told(path))?;
            part.length = found;
        } else {
            part.file.set_len(0).map_err(|error| refuse(&error))?;
        }
        Ok(part)
    }

    /// Counts from the first byte again.
    fn restart(&mut self) -> io::Result<()> {
        self.hasher = self.entry.digest.as_ref().map(|digest| digest.start(self.entry.bytes));
        self.length = 0;
        self.file.seek(SeekFrom::Start(0)).map(|_| ())
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        self.length += piece.len() as u64;
        Ok(())
    }

    /// Copies what is on this machine already, where its digest is right.
    fn copy(&mut self, from: &Path, tally: &mut Tally<'_>) -> Result<(), HubError> {
        let Ok(file) = File::open(from) else { return Ok(()) };
        let (mut reader, mut buffer) = (file.take(self.entry.bytes), vec![0; READ]);
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            if tally.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            self.write(&buffer[..read]).map_err(|error| HubError::io(&self.path, "written", &error))?;
            tally.reach(self.base + self.length, &self.entry.path);
        }
        if self.hasher.clone().map(Hasher::finish) == self.entry.digest {
            return Ok(());
        }
        let emptied = self.restart().and_then(|()| self.file.set_len(0));
        emptied.map_err(|error| HubError::io(&self.path, "written", &error))
    }

    /// Fetches what is missing, from where it broke off as long as there is progress.
    fn complete(&mut self, client: &Client, commit: &str, tally: &mut Tally<'_>) -> Result<(), HubError> {
        let mut tries = 0;
        while self.length < self.entry.bytes {
            let before = self.length;
            let problem = match self.fetch_rest(client, commit, tally) {
                Ok(()) if self.length == self.entry.bytes => break,
                Ok(()) => "it ended early".to_owned(),
                Err(Interrupted::Refused(error)) => return Err(error),
                Err(Interrupted::Broken(problem)) => problem,
            };
            tries = if self.length > before { 0 } else { tries + 1 };
            if tries == TRIES {
                let (path, bytes) = (&self.entry.path, self.entry.bytes);
                return Err(HubError::failed(format!(
                    "{path}: {} of {bytes} bytes came from {}, and then {TRIES} times none ({problem}); what came is kept, \
                     so try again later, and it goes on from there",
                    self.length,
                    client.access.host(),
                )));
            }
            tally.pause(PAUSE * 2u32.pow(tries))?;
        }
        Ok(())
    }

    fn fetch_rest(&mut self, client: &Client, commit: &str, tally: &mut Tally<'_>) -> Result<(), Interrupted> {
        let written = |path: &Path, error: &io::Error| match error.kind() {
            ErrorKind::StorageFull => Interrupted::Refused(HubError::failed(format!(
                "{}: the disk is full; make room, and pull again: it goes on from here",
                path.display()
            ))),
            _ => Interrupted::Refused(HubError::io(path, "written", error)),
        };
        let watch = tally.watch();
        let is_cancelled = || watch.is_cancelled();
        let address = client.address(commit, self.entry);
        let mut stream = Stream::open(client, address, self.length, &self.entry.path, &is_cancelled)?;
        if stream.start == 0 && self.length > 0 {
            self.restart().and_then(|()| self.file.set_len(0)).map_err(|error| written(&self.path, &error))?;
        }
        while let Some(piece) = stream.piece(&is_cancelled)? {
            if self.length + piece.len() as u64 > self.entry.bytes {
                return Err(Interrupted::Refused(HubError::failed(format!(
                    "{}: more than the {} bytes came that the hub lists for it; pull again, for it may have changed meanwhile",
                    self.entry.path, self.entry.bytes
                ))));
            }
            self.write(&piece).map_err(|error| written(&self.path, &error))?;
            tally.fetched(piece.len() as u64);
            tally.reach(self.base + self.length, &self.entry.path);
        }
        Ok(())
    }

    /// What came is there to go on from; of nothing, nothing stays.
    fn leave(self) {
        if self.length == 0 {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Compares the digest and gives the file its name.
    fn finish(self, place: &Path) -> Result<(), HubError> {
        let refuse = |error: &io::Error| HubError::io(place, "written", error);
        if let (Some(hasher), Some(expected)) = (self.hasher, &self.entry.digest) {
            let found: Digest = hasher.finish();
            if found != *expected {
                // It would spoil the next try.
                let _ = std::fs::remove_file(&self.path);
                return Err(HubError::failed(format!(
                    "{}: it was damaged on its way: its {} is {found}, and the hub lists {expected}; nothing of it is kept, so \
                     pull again",
                    self.entry.path,
                    expected.method()
                )));
            }
        }
        self.file.sync_all().map_err(|error| refuse(&error))?;
        std::fs::rename(&self.path, place).map_err(|error| refuse(&error))
    }
}
