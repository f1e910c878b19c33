//! What fits where: the memory and speed of a model on a machine, before anything is written.

mod backend;
mod cache;
mod facts;
mod family;
mod graph;
mod machine;
mod place;
mod settings;
mod subject;

pub use backend::{Backend, CPU, CUDA, METAL, Scratch, VULKAN};
pub use cache::Kept;
pub use machine::{Memory, this_machine};
pub use place::{NAMES, Placement, Spread, Terms};
pub use settings::{CACHE_TYPES, CELLS, Settings};
pub use subject::{Layer, Mixer, Part, Parts, Subject};

