//! A whole model: looked up, chosen, fetched.

use super::client::{Access, Client};
use super::error::HubError;
use super::fetch::{Origin, fetch, part_path};
use super::listing::{Entry, Listing, RepoId};
use super::select::{INDEX, select};
use super::stream::{Interrupted, Stream};
use crate::units;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Of an index.
const MAX_INDEX: u64 = 64 << 20;

/// Kept free on the disk.
const ROOM: u64 = 64 << 20;

/// What to fetch, and where to.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The repository.
    pub id: RepoId,
    /// A branch, a tag or a commit; the main branch where none is given.
    pub revision: Option<String>,
    /// The folder to fetch into.
    pub folder: PathBuf,
    /// A part of the name of the GGUF model to fetch, where there are several.
    pub include: Option<String>,
    /// Whether files that differ may be replaced.
    pub replace: bool,
}

/// Follows a pull, and can end it.
pub trait Watch {
    /// Asked often.
    fn is_cancelled(&self) -> bool;
    /// How far it is: bytes there of all, of which so many were fetched in this time, and the file in hand.
    fn progress(&self, done: u64, total: u64, fetched: (u64, Duration), file: &str);
}

/// What is there now.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// What to open: the folder, or the first file of a GGUF model.
    pub model: PathBuf,
    /// The commit that the files are of.
    pub commit: String,
    /// Every file.
    pub files: Vec<PulledFile>,
    /// Bytes that came over the network.
    pub fetched: u64,
    /// Start to finish.
    pub elapsed: Duration,
}

/// A file that is there now.
#[derive(Clone, Debug)]
pub struct PulledFile {
    /// Where.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Whether it was there before.
    pub was_there: bool,
    /// Bytes that an earlier try had fetched.
    pub resumed_at: u64,
    /// The kind of digest that was compared; none where the hub lists none, and only the length was.
    pub verified: Option<&'static str>,
}

/// Fetches a model. What was fetched before is not fetched again; after a cancel or a failure, the same request goes on.
pub fn pull(request: &PullRequest, access: Access, watch: &dyn Watch) -> Result<Pulled, HubError> {
    let started = Instant::now();
    let revision = request.revision.as_deref().unwrap_or("main");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if revision.is_empty() || revision.len() > 200 || !revision.chars().all(plain) || revision.contains("..") {
        return Err(HubError::failed(format!("{revision:?} is no branch, tag or commit")));
    }
    let client = Client::new(request.id.clone(), access)?;
    let listing = client.listing(revision, watch)?;
    let index = match listing.get(INDEX).filter(|_| request.include.is_none()) {
        Some(entry) => Some(text(&client, &listing, entry, watch)?),
        None => None,
    };
    let chosen = select(&request.id, &listing, index.as_deref(), request.include.as_deref())?;
    let total = chosen.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add);
    let made = !request.folder.exists();
    make_room(&request.folder, &chosen)?;
    let mut tally = Tally::new(watch, total);
    let files = fetch_all(&client, &listing, &chosen, request, &mut tally);
    if files.is_err() && made {
        // Only where nothing came.
        let _ = std::fs::remove_dir(&request.folder);
    }
    let files = files?;
    let is_gguf =
        |file: &&PulledFile| file.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    let model = files.iter().find(is_gguf).map_or_else(|| request.folder.clone(), |file| file.path.clone());
    Ok(Pulled { model, commit: listing.commit.clone(), files, fetched: tally.fetched, elapsed: started.elapsed() })
}

fn fetch_all(
    client: &Client,
    listing: &Listing,
    chosen: &[&Entry],
    request: &PullRequest,
    tally: &mut Tally<'_>,
) -> Result<Vec<PulledFile>, HubError> {
    let mut files = Vec::with_capacity(chosen.len());
    let mut before = 0;
    for entry in chosen {
        let origin = fetch(client, &listing.commit, entry, (&request.folder, request.replace), tally)?;
        before += entry.bytes;
        tally.reach(before, &entry.path);
        files.push(PulledFile {
            path: entry.place(&request.folder),
            bytes: entry.bytes,
            was_there: origin == Origin::Kept,
            resumed_at: if let Origin::Fetched { resumed_at } = origin { resumed_at } else { 0 },
            verified: entry.digest.as_ref().map(|digest| digest.method()),
        });
    }
    Ok(files)
}

/// Makes the folder, where what is missing fits on its disk.
fn make_room(folder: &Path, chosen: &[&Entry]) -> Result<(), HubError> {
    std::fs::create_dir_all(folder).map_err(|error| HubError::io(folder, "made", &error))?;
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let there = |entry: &Entry| length(&entry.place(folder)).max(length(&part_path(entry, folder)));
    let missing = chosen.iter().map(|entry| entry.bytes.saturating_sub(there(entry))).fold(0, u64::saturating_add);
    let free = fs4::available_space(folder).unwrap_or(u64::MAX);
    if missing.saturating_add(ROOM) > free && missing > 0 {
        // Empty, for it was made for this.
        let _ = std::fs::remove_dir(folder);
        return Err(HubError::failed(format!(
            "{}: {} are to be fetched, and its disk has {} free; make room, or choose another folder with --to",
            folder.display(),
            units::bytes(missing),
            units::bytes(free)
        )));
    }
    Ok(())
}

/// The text of a small file, in memory.
fn text(client: &Client, listing: &Listing, entry: &Entry, watch: &dyn Watch) -> Result<String, HubError> {
    let refuse = |problem: String| HubError::failed(format!("{}: its {} {problem}", client.id, entry.path));
    if entry.bytes > MAX_INDEX {
        return Err(refuse(format!("has {} bytes, and more than {MAX_INDEX} are not read", entry.bytes)));
    }
    let is_cancelled = || watch.is_cancelled();
    let stop = |interrupted| match interrupted {
        Interrupted::Refused(error) => error,
        Interrupted::Broken(problem) => refuse(format!("cannot be fetched ({problem}); try again")),
    };
    let address = client.address(&listing.commit, entry);
    let mut stream = Stream::open(client, address, 0, &entry.path, &is_cancelled).map_err(stop)?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.piece(&is_cancelled).map_err(stop)? {
        bytes.extend(piece);
        if bytes.len() as u64 > entry.bytes {
            return Err(refuse(format!("is longer than the {} bytes that the hub lists", entry.bytes)));
        }
    }
    String::from_utf8(bytes).map_err(|_| refuse("is not valid UTF-8".to_owned()))
}

/// Counts what is there and what came.
pub(super) struct Tally<'w> {
    watch: &'w dyn Watch,
    total: u64,
    done: u64,
    fetched: u64,
    /// Of the first byte that came.
    since: Option<Instant>,
}

impl<'w> Tally<'w> {
    fn new(watch: &'w dyn Watch, total: u64) -> Self {
        watch.progress(0, total, (0, Duration::ZERO), "");
        Self { watch, total, done: 0, fetched: 0, since: None }
    }

    pub(super) fn watch(&self) -> &'w dyn Watch {
        self.watch
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.watch.is_cancelled()
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Says how many bytes are there.
    pub(super) fn reach(&mut self, done: u64, file: &str) {
        self.done = done;
        let elapsed = self.since.map(|since| since.elapsed()).unwrap_or_default();
        self.watch.progress(done, self.total, (self.fetched, elapsed), file);
    }

    /// Says how many more bytes came.
    pub(super) fn fetched(&mut self, bytes: u64) {
        self.since.get_or_insert_with(Instant::now);
        self.fetched += bytes;
    }

    /// Waits, if nobody cancels.
    pub(super) fn pause(&self, time: Duration) -> Result<(), HubError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.is_cancelled() {
                return Err(HubError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
