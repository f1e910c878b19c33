//! What fits where: the memory and speed of a model on a machine, before anything is written.
//!
//! [`Subject`] is a model as far as its memory goes, [`Settings`] how it is run, [`Machine`] what it is run on: this one,
//! or one of the [`Target`]s. [`Subject::place`] says what each device has to hold, every term of it with its formula;
//! [`Fitter`] asks it for answers.

mod answer;
mod backend;
mod budget;
mod cache;
mod choose;
mod cost;
mod facts;
mod family;
mod graph;
mod launch;
mod machine;
mod place;
mod settings;
mod speed;
mod subject;
mod targets;

pub use answer::{Answer, Fit, Fitter};
pub use backend::{BACKENDS, Backend, CPU, CUDA, Efficiency, METAL, ROCM, Scratch, VULKAN, backend_from_name};
pub use budget::{Budget, GIB};
pub use cache::Kept;
pub use choose::{Candidate, candidates, largest_type};
pub use cost::{Cost, ELECTRICITY, LIFETIME};
pub use launch::Launch;
pub use machine::{FoundGpu, Gpu, Machine, Memory, Pool, measure_bandwidth, this_machine};
pub use place::{NAMES, Placement, Spread, Terms};
pub use settings::{CACHE_TYPES, CELLS, Settings, parse_cache_types};
pub use speed::Speed;
pub use subject::{Layer, Mixer, Part, Parts, Subject};
pub use targets::{Kind, Target, TargetError, USUAL as USUAL_TARGETS, bundled, own, own_path};
