//! Jobs: what a command does.

pub(super) mod pack;
