//! What the targets share: a folder in memory for each process, and a count of allocated bytes.
//!
//! An input that makes the program allocate more than ten times its own size (and [`SLACK`]) is a finding, like a panic.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tempfile::TempDir;

/// What small inputs may allocate: file paths, tables of a fixed size, error messages with a list of what is known.
pub const SLACK: usize = 2 << 20;

/// Counts what is allocated now, and the most since the last look.
struct Counted;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

/// Runs `work`, which has `bytes` bytes to read, and panics where it allocates too much.
pub fn bounded<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = work();
    let most = MOST.load(Relaxed) - before;
    assert!(most <= 10 * bytes + SLACK, "{most} bytes were allocated to read {bytes}");
    result
}

/// A folder of this process, in memory where the system has such a place.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }
    };
    FOLDER.get_or_init(|| make().expect("a folder can be made")).path()
}

/// Writes one file of the folder.
pub fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("the folder can be written");
    path
}

/// The folder as a tiny model that is in order but for what the target puts there; and the bytes of its documents.
pub fn tiny_model() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let mut bytes = 0;
        for entry in fs::read_dir("fuzz/tiny").expect("run fuzz/seeds.sh first, and this where fuzz lies") {
            let path = entry.expect("a readable folder").path();
            let read = fs::read(&path).expect("a readable file");
            bytes += read.len();
            write(&path.file_name().expect("a name").to_string_lossy(), &read);
        }
        bytes
    })
}

/// Opens the tiny model with `bytes` in place of one of its files.
pub fn open_with(name: &str, bytes: &[u8]) {
    let documents = tiny_model();
    write(name, bytes);
    let _ = bounded(documents + bytes.len(), || tuck::model::Model::open(folder()));
}
