//! Jobs: what a command does.

mod finite;
pub(super) mod pack;
pub(super) mod pull;
mod read;
pub(super) mod verify;
