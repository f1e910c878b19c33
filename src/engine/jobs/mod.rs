//! Jobs: what a command does.

mod codes;
mod decode;
pub(super) mod export;
mod feedback;
mod finite;
mod gather;
pub(super) mod hardware;
pub(super) mod measure;
mod merge;
pub(super) mod pack;
pub(super) mod pull;
mod read;
pub(super) mod verify;
