//! The graph that llama.cpp reserves its compute buffer for, and how large that gets.
//!
//! `llama_context::sched_reserve` makes the graph of the largest step (as many tokens as the ubatch has, over a full
//! cache) and lets ggml's allocator place its tensors. Here the same graph is put on a tape, one operation for one
//! operation, and the allocator is replayed. What is on it follows from the tensors that the model has, with the
//! peculiarities of its family; so a family that nobody has looked at comes out about right.

mod attention;
mod buffer;
mod decoder;
mod experts;
mod latent;
mod layout;
mod recurrent;
mod repeats;
mod split;
mod tape;

pub(super) use decoder::{Care, compute_buffers};
pub(super) use layout::Layout;
