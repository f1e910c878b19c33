//! Jobs: what a command does.

mod finite;
pub(super) mod pack;
mod read;
pub(super) mod verify;
