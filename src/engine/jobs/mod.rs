//! Jobs: what a command does.

mod codes;
mod decode;
mod finite;
mod gather;
mod merge;
pub(super) mod pack;
mod read;
pub(super) mod verify;
