//! The window: shows the engine's events, turns clicks and keys into its commands.
//!
//! `State` is plain data and knows no pixels; `panels` draw it and push `Action`s; `App` feeds events in and carries
//! actions out, in one place each. Nothing here reads a model, computes, or waits; mixes are found by `size/solver`, on a
//! thread of its own.

mod action;
mod adapter;
mod app;
mod choice;
mod decision;
mod download;
mod edits;
mod errors;
mod files;
mod fit;
mod history;
mod kv;
mod metadata;
mod offer;
mod pack;
mod panels;
mod perform;
mod picker;
mod prompt;
mod pruning;
mod quality;
mod screenshots;
mod selection;
mod size;
mod state;
mod table;
mod theme;
mod widgets;

pub use action::Action;
pub use adapter::AdapterForm;
pub use app::App;
pub use choice::{Choice, Size};
pub use decision::{Asked, Decision};
pub use download::{Download, Downloading};
pub use errors::{Errors, Grid, Row, Scale};
pub use fit::{Change, Fitting, Row as FitRow};
pub use history::History;
pub use kv::{Keep, Keeping, Row as KvChoice};
pub use metadata::{Editing, Page, Row as MetadataRow, Sheet};
pub use picker::Picker;
pub use prompt::{PromptJob, Prompting, Reading as PromptWork, Shorten};
pub use pruning::{Alone, Left, Loss, Proposal, Pruned, Pruning, Trim};
pub use quality::{
    Adapters, Answers, Figure, Inquiry, Measured, Next, Prospect, Quality, Running, Settings, Trial, View, Work,
};
pub use selection::{Select, Selection};
pub use size::{Side, Sizes, Sizing, Standing, Text, Wish};
pub use state::{Column, Destination, Dialog, Opened, Opening, Packing, Reading, State, Tab, Target, Then, Verifying};
pub use table::Table;

use crate::hub::Access;
use std::path::PathBuf;

/// The window's size on its first start, and the smallest that shows everything.
const SIZE: [f32; 2] = [1280.0, 720.0];
const MIN_SIZE: [f32; 2] = [960.0, 600.0];

/// What the window is started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A model to open at once.
    pub path: Option<PathBuf>,
    /// Pack the sample, save a picture before, during and after into this folder, and end.
    pub screenshots: Option<PathBuf>,
    /// The hub to fetch models from; that of the environment where none is given.
    pub hub: Option<Access>,
    /// The file of statistics; where none is given, one in Tuck's cache folder for each model and text.
    pub statistics: Option<PathBuf>,
}

/// Opens the window and returns when it is closed.
pub fn run(options: Options) -> Result<(), String> {
    let is_missing = |variable: &str| std::env::var_os(variable).is_none_or(|value| value.is_empty());
    if cfg!(target_os = "linux") && ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().all(is_missing) {
        return Err("there is no display here for a window; tuck pack does the same without one".to_owned());
    }
    let viewport = egui::ViewportBuilder::default()
        .with_app_id("tuck")
        .with_title("Tuck")
        .with_icon(egui::IconData::default())
        .with_inner_size(SIZE)
        .with_min_inner_size(MIN_SIZE)
        .with_drag_and_drop(true);
    let native = eframe::NativeOptions { viewport, renderer: eframe::Renderer::Wgpu, ..Default::default() };
    eframe::run_native("tuck", native, Box::new(|creation| Ok(Box::new(App::new(&creation.egui_ctx, options)))))
        .map_err(|error| format!("the window cannot be opened: {error}; tuck pack does the same without one"))
}
