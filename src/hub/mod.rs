//! Models by name, from a hub of Hugging Face's kind: the one room that uses the network, and only when asked to.
//!
//! Of a repository, the files that Tuck reads are fetched into a folder. Each is written beside its place under a name of
//! its own, continued there where an earlier try ended, compared with the digest that the hub lists for it, and only then
//! renamed. Nothing that is fetched is run.
//!
//! Endpoint, token, addresses and the listing are those of the crate `hf-hub` 0.5, over `ureq` and `rustls`. Fetching is
//! our own, over the same `ureq`: `hf-hub` 0.5 writes to a cache of its own layout, takes any answer for the rest of a
//! file, compares no digest, cannot be stopped and waits for a silent server for ever. `hf-hub` 1.0 brings an
//! asynchronous runtime, a second protocol with a thread pool, caches and logs of its own (130 more crates), and still
//! neither resumes into a folder nor compares digests.

mod client;
mod digest;
mod error;
mod fetch;
mod listing;
mod pull;
mod select;
mod stream;

pub use client::Access;
pub use digest::Digest;
pub use error::{Choice, HubError};
pub use listing::{Entry, Listing, RepoId};
pub use pull::{PullRequest, Pulled, PulledFile, Watch, pull};
pub use select::select;
