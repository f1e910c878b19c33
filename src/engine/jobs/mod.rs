//! Jobs: what a command does.

mod decode;
mod finite;
mod gather;
pub(super) mod measure;
pub(super) mod pack;
mod read;
pub(super) mod verify;
