//! Everything the window shows, as plain data. [`State::apply`] is the only change that comes from the engine; the
//! user's changes come from `perform.rs`.

use super::action::Action;
use super::adapter::AdapterForm;
use super::choice::Choice;
use super::download::{Download, Downloading};
use super::errors::Errors;
use super::files::is_imatrix;
use super::fit::Fitting;
use super::metadata::Sheet;
use super::picker::Picker;
use super::quality::Quality;
use super::table::Table;
use crate::checkpoint::{Adapter, Kind};
use crate::engine::{
    AdapterRequest, Computing, Device, DeviceChoice, Event, EventKind, JobId, OpenRequest, PackReport, Progress,
};
use crate::fit::Memory;
use crate::model::Model;
use crate::recipe::{Preset, preset_from_name};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The type a model starts with.
pub(super) const USUAL: &str = "Q4_K_M";

/// The type an adapter starts with: it is small, and counts in full.
const OF_ADAPTERS: &str = "F32";

/// What the window shows.
#[derive(Default)]
pub struct State {
    /// A model on its way.
    pub opening: Option<Opening>,
    /// The opened model.
    pub opened: Option<Opened>,
    /// An importance matrix on its way.
    pub reading: Option<Reading>,
    /// Devices that can compute, best first; empty until they are known.
    pub devices: Vec<Device>,
    /// The job that lists them.
    pub listing: Option<JobId>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// A pack under way.
    pub packing: Option<Packing>,
    /// A comparison under way.
    pub verifying: Option<Verifying>,
    /// A model being fetched; its dialog is open.
    pub downloading: Option<Downloading>,
    /// A model that was fetched and is to be opened.
    pub fetched: Option<PathBuf>,
    /// Things to know that stopped nothing.
    pub warnings: Vec<String>,
    /// A question or a message in front of everything.
    pub dialog: Option<Dialog>,
    /// On which machines the model fits.
    pub fit: Fitting,
    /// This machine's memory, where the system tells.
    pub memory: Option<Memory>,
}

/// What to open.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The bundled sample.
    Sample,
    /// A folder or file.
    Path(PathBuf),
    /// A model with adapters merged into it.
    Merged(OpenRequest),
    /// An adapter, to make a file of its own.
    Adapter(AdapterRequest),
}

impl Target {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Sample => "the sample model".to_owned(),
            Self::Path(path) | Self::Merged(OpenRequest { path, .. }) | Self::Adapter(AdapterRequest { path, .. }) => {
                file_name(path)
            }
        }
    }

    /// What a failure to open it is called.
    fn failure(&self) -> String {
        match self {
            Self::Merged(OpenRequest { path, adapters }) if !adapters.is_empty() => {
                let adapters: Vec<String> = adapters.iter().map(|adapter| file_name(&adapter.path)).collect();
                format!("{} cannot be merged into {}", adapters.join(", "), file_name(path))
            }
            _ => format!("{} cannot be opened", self.name()),
        }
    }
}

/// A model on its way.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The job that opens it.
    pub job: JobId,
    /// What it is.
    pub target: Target,
}

/// An importance matrix on its way.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The job that reads it.
    pub job: JobId,
    /// The file.
    pub path: PathBuf,
}

/// The opened model with the user's choices.
pub struct Opened {
    /// The model as it will be written, with the user's metadata.
    pub model: Arc<Model>,
    /// The model as it was opened.
    pub source: Arc<Model>,
    /// Type, overrides and the plan that follows.
    pub choice: Choice,
    /// The list of types.
    pub picker: Picker,
    /// The tensor table.
    pub table: Table,
    /// The metadata tab.
    pub sheet: Sheet,
    /// Where to write.
    pub destination: Destination,
    /// What is in front.
    pub tab: Tab,
    /// Groups of fallbacks whose tensors are listed, by their place in [`Choice::fallbacks`].
    pub unfolded: BTreeSet<usize>,
    /// Whether the user agreed to pack it although weights are NaN or infinite.
    pub allows_nonfinite: bool,
    /// The last files written from it.
    pub report: Option<Arc<PackReport>>,
    /// The one of them that is told more of.
    pub shown_output: usize,
    /// How far the last file that was compared with it is.
    pub errors: Option<Errors>,
    /// The quality tab.
    pub quality: Quality,
}

/// Where to write. The name follows the type until the user gives another; several files have their types' names.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The folder.
    pub folder: PathBuf,
    /// A name of the user's own.
    pub name: Option<String>,
}

/// A pack under way.
#[derive(Clone, Debug)]
pub struct Packing {
    /// The job that packs.
    pub job: JobId,
    /// The files being written.
    pub outputs: Vec<PathBuf>,
    /// The latest progress.
    pub progress: Option<Progress>,
    /// Whether it was asked to stop.
    pub is_cancelling: bool,
}

/// A comparison under way.
#[derive(Clone, Debug)]
pub struct Verifying {
    /// The job that compares.
    pub job: JobId,
    /// The file that is compared with the opened model.
    pub file: PathBuf,
    /// The latest progress.
    pub progress: Option<Progress>,
}

/// A question or a message in front of everything.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Something failed.
    Failed {
        /// What.
        title: String,
        /// One paragraph.
        message: String,
        /// Whether packing can go on although weights are NaN or infinite.
        can_pack_anyway: bool,
    },
    /// These outputs exist.
    Replace(Vec<PathBuf>),
    /// A pack is running, and this is to be opened.
    Busy(Target),
    /// A pack is running, and the window is to be closed.
    Quit,
    /// The keyboard's shortcuts.
    Shortcuts,
    /// A model is to be fetched by name, or being fetched.
    Download(Download),
    /// What to do with a LoRA adapter.
    Adapter(AdapterForm),
    /// Whether to use the nearest pre-tokenizer, as [`Model::question`] of the opened model has it.
    PreTokenizer,
}

/// What is in front in the middle of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The table of tensors.
    #[default]
    Tensors,
    /// Keys and values, and the chat template.
    Metadata,
    /// On which machines it fits.
    Fit,
    /// What it predicts, beside the original.
    Quality,
    /// The tensors that cannot have the type of the recipe.
    Fallbacks,
    /// The files that were written.
    Result,
    /// How far a file is from the model.
    Errors,
}

impl Tab {
    /// From left to right.
    pub const ALL: [Self; 7] =
        [Self::Tensors, Self::Metadata, Self::Fit, Self::Quality, Self::Fallbacks, Self::Result, Self::Errors];

    /// On its head.
    pub fn label(self) -> &'static str {
        match self {
            Self::Tensors => "Tensors",
            Self::Metadata => "Metadata",
            Self::Fit => "Fit",
            Self::Quality => "Quality",
            Self::Fallbacks => "Fallbacks",
            Self::Result => "Result",
            Self::Errors => "Error",
        }
    }
}

/// What the tensors are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// The model's own order.
    #[default]
    Order,
    /// GGUF name.
    Name,
    /// Number of weights.
    Shape,
    /// Format in the user's file.
    Stored,
    /// Format in the file to be.
    Planned,
    /// Bytes in the file to be.
    Bytes,
    /// Relative error of the file that was compared.
    Error,
}

impl Column {
    /// Those with a head; the last only after a comparison.
    pub const HEADS: [Self; 6] = [Self::Name, Self::Shape, Self::Stored, Self::Planned, Self::Bytes, Self::Error];

    /// On its head.
    pub fn label(self) -> &'static str {
        match self {
            Self::Order => "Order",
            Self::Name => "Tensor",
            Self::Shape => "Shape",
            Self::Stored => "Stored",
            Self::Planned => "Plan",
            Self::Bytes => "Bytes",
            Self::Error => "Error",
        }
    }
}

impl State {
    /// Where to compute.
    pub(super) fn computing(&self) -> Computing {
        Computing { device: self.device.clone(), memory: None }
    }

    /// Takes in what the engine tells. Events of jobs nobody waits for any more change nothing.
    pub fn apply(&mut self, event: Event) {
        let job = Some(event.job);
        let is_progress = matches!(event.kind, EventKind::Progress(_));
        if job == self.listing {
            self.apply_to_listing(event.kind);
        } else if job == self.opening.as_ref().map(|opening| opening.job) {
            self.apply_to_opening(event.kind);
        } else if job == self.reading.as_ref().map(|reading| reading.job) {
            self.apply_to_reading(event.kind);
        } else if job == self.packing.as_ref().map(|packing| packing.job) {
            self.apply_to_packing(event.kind);
        } else if job == self.verifying.as_ref().map(|verifying| verifying.job) {
            self.apply_to_verifying(event.kind);
        } else if job == self.inquiring() {
            self.apply_to_quality(event.kind);
        } else if job == self.downloading.as_ref().map(|downloading| downloading.job) {
            self.apply_to_downloading(event.kind);
        } else if let (true, EventKind::Hardware(hardware)) = (job == self.fit.reading, event.kind) {
            self.warnings.extend(hardware.problem.clone());
            self.fit.set_hardware(hardware);
            self.fit.reading = None;
        }
        if !is_progress {
            self.refit();
        }
    }

    /// Reckons anew on which machines the model fits, where that is in sight.
    pub(super) fn refit(&mut self) {
        if let Some(opened) = self.opened.as_ref().filter(|opened| opened.tab == Tab::Fit) {
            self.fit.update(opened);
        }
    }

    fn apply_to_listing(&mut self, kind: EventKind) {
        match kind {
            EventKind::Devices(devices) => self.devices = devices,
            EventKind::Failed(message) => self.warnings.push(format!("No device could be listed: {message}")),
            _ => return,
        }
        self.listing = None;
    }

    fn apply_to_opening(&mut self, kind: EventKind) {
        match kind {
            EventKind::Warning(warning) => self.warnings.push(warning),
            EventKind::Opened(model) => {
                let target = self.opening.take().map(|opening| opening.target);
                let is_merged = matches!(target, Some(Target::Merged(_)));
                if !(is_merged && self.opened.as_mut().is_some_and(|opened| opened.rebase(&model))) {
                    self.show(model, target == Some(Target::Sample));
                }
                self.ask();
            }
            EventKind::Adapter(adapter) => {
                self.opening = None;
                let base = self.opened.as_ref().filter(|opened| opened.model.kind != Kind::Adapter);
                let base = base.map(|opened| opened.source.path.clone());
                self.dialog = Some(Dialog::Adapter(AdapterForm::new(&adapter, base)));
            }
            EventKind::Failed(message) => {
                let title = self.opening.take().map(|opening| opening.target.failure()).unwrap_or_default();
                self.fail(title, message);
            }
            EventKind::Cancelled => self.opening = None,
            _ => {}
        }
    }

    fn apply_to_reading(&mut self, kind: EventKind) {
        let Some(reading) = self.reading.take() else { return };
        let name = file_name(&reading.path);
        match (kind, &mut self.opened) {
            (EventKind::Imatrix(imatrix), Some(opened)) => {
                if let Err(error) = opened.choice.use_imatrix(&opened.model, imatrix) {
                    return self.fail(format!("{name} is of another model"), error.to_string());
                }
                opened.table.update(&opened.model, &opened.choice.plan);
            }
            (EventKind::Failed(message), _) => self.fail(format!("{name} cannot be used"), message),
            _ => {}
        }
    }

    /// What a file means that is let go of over the window.
    pub(super) fn dropped(&self, path: PathBuf) -> Action {
        match &self.dialog {
            // Another adapter takes its place.
            Some(Dialog::Adapter(_)) if Adapter::folder_of(&path).is_none() => Action::UseBase(path),
            _ if self.opened.is_some() && is_imatrix(&path) => Action::OpenImatrix(path),
            _ => Action::Open(Target::Path(path)),
        }
    }

    /// The model of the adapter's dialog with the adapter merged into it, besides those that are merged already.
    pub(super) fn merged(&self) -> Option<Target> {
        let Some(Dialog::Adapter(form)) = &self.dialog else { return None };
        let (path, choice) = (form.base.clone()?, form.choice().ok()?);
        let opened = self.opened.as_ref().filter(|opened| opened.source.path == path);
        let merged = opened.into_iter().flat_map(|opened| &opened.source.adapters).map(|merged| merged.choice.clone());
        Some(Target::Merged(OpenRequest { adapters: merged.chain([choice]).collect(), path }))
    }

    /// Asks what has to be decided before the opened model is packed; false where nothing has.
    pub(super) fn ask(&mut self) -> bool {
        let is_open = self.opened.as_ref().is_some_and(|opened| opened.model.question.is_some());
        if is_open {
            self.dialog = Some(Dialog::PreTokenizer);
        }
        is_open
    }

    /// Whether something runs that can be cancelled.
    pub fn is_busy(&self) -> bool {
        let is_reading = self.opening.is_some() || self.reading.is_some() || self.verifying.is_some();
        is_reading || self.packing.is_some() || self.downloading.is_some() || self.inquiring().is_some()
    }

    /// The running job of the quality tab.
    pub(super) fn inquiring(&self) -> Option<JobId> {
        Some(self.opened.as_ref()?.quality.running.as_ref()?.job)
    }

    fn apply_to_quality(&mut self, kind: EventKind) {
        match (kind, &mut self.opened) {
            (EventKind::Warning(warning), _) => self.warnings.push(warning),
            (kind, Some(opened)) => {
                let is_result = matches!(kind, EventKind::Measured(_));
                opened.quality.apply(kind);
                if is_result {
                    opened.look_at_current();
                }
            }
            (_, None) => {}
        }
    }

    fn apply_to_packing(&mut self, kind: EventKind) {
        match kind {
            EventKind::Progress(progress) => {
                if let Some(packing) = &mut self.packing {
                    packing.progress = Some(progress);
                }
                return;
            }
            EventKind::Warning(warning) => {
                // What the plan says is in sight already.
                let mut planned = self.opened.iter().flat_map(|opened| &opened.choice.cautions);
                if !planned.any(|known| *known == warning) {
                    self.warnings.push(warning);
                }
                return;
            }
            EventKind::Packed(report) => {
                if let Some(opened) = &mut self.opened {
                    opened.report = Some(report);
                    opened.shown_output = 0;
                    // It may have replaced the file that was compared.
                    opened.set_errors(None);
                    opened.tab = Tab::Result;
                }
                // A question about the running pack has answered itself.
                self.dialog.take_if(|dialog| matches!(dialog, Dialog::Busy(_) | Dialog::Quit));
            }
            EventKind::Failed(message) => self.fail("Nothing was written".to_owned(), message),
            EventKind::Cancelled => {}
            _ => return,
        }
        self.packing = None;
    }

    fn apply_to_verifying(&mut self, kind: EventKind) {
        match kind {
            EventKind::Progress(progress) => {
                if let Some(verifying) = &mut self.verifying {
                    verifying.progress = Some(progress);
                }
                return;
            }
            EventKind::Warning(warning) => return self.warnings.push(warning),
            EventKind::Verified(report) => {
                if let Some(opened) = &mut self.opened {
                    opened.set_errors(Some(Errors::new(&opened.model, report)));
                    opened.tab = Tab::Errors;
                }
            }
            EventKind::Failed(message) => {
                let name = self.verifying.as_ref().map(|verifying| file_name(&verifying.file)).unwrap_or_default();
                self.fail(format!("{name} cannot be compared"), message);
            }
            EventKind::Cancelled => {}
            _ => return,
        }
        self.verifying = None;
    }

    fn apply_to_downloading(&mut self, kind: EventKind) {
        let form = match &mut self.dialog {
            Some(Dialog::Download(form)) => Some(form),
            _ => None,
        };
        match (kind, form) {
            (EventKind::Progress(progress), _) => {
                if let Some(downloading) = &mut self.downloading {
                    downloading.progress = Some(progress);
                }
                return;
            }
            (EventKind::Pulled(pulled), _) => {
                self.fetched = Some(pulled.model.clone());
                self.dialog = None;
            }
            (EventKind::Choices(choices, _), Some(form)) => form.choices = choices.to_vec(),
            (EventKind::Failed(message), Some(form)) => form.problem = Some(message),
            _ => {}
        }
        self.downloading = None;
    }

    /// Shows an opened model, with the type that was chosen for the one before.
    fn show(&mut self, model: Arc<Model>, is_sample: bool) {
        let usual = || preset_from_name(USUAL).expect("the usual type is in the list");
        let before = self.opened.as_ref().filter(|opened| opened.model.kind != Kind::Adapter);
        let preset: &'static Preset = match model.kind {
            Kind::Adapter => preset_from_name(OF_ADAPTERS).expect("the list has it"),
            _ => before.map_or_else(usual, |opened| opened.choice.decision().preset),
        };
        let choice = Choice::new(&model, preset);
        let mut table = Table::default();
        table.update(&model, &choice.plan);
        let mut sheet = Sheet::default();
        sheet.update(&model, &[]);
        let destination = Destination { folder: default_folder(&model.path, is_sample), name: None };
        self.opened = Some(Opened {
            quality: Quality::new(&model),
            source: model.clone(),
            model,
            choice,
            picker: Picker::default(),
            table,
            sheet,
            destination,
            tab: Tab::default(),
            unfolded: BTreeSet::new(),
            allows_nonfinite: false,
            report: None,
            shown_output: 0,
            errors: None,
        });
    }

    fn fail(&mut self, title: String, message: String) {
        let can_pack_anyway = message.contains("--allow-nonfinite");
        let message = if message.ends_with('.') { message } else { message + "." };
        self.dialog = Some(Dialog::Failed { title, message, can_pack_anyway });
    }
}

impl Opened {
    /// The same model without an adapter that is merged into it.
    pub(super) fn without_adapter(&self, place: usize) -> Option<Target> {
        let mut adapters: Vec<_> = self.source.adapters.iter().map(|merged| merged.choice.clone()).collect();
        (place < adapters.len()).then(|| adapters.remove(place))?;
        Some(Target::Merged(OpenRequest { path: self.source.path.clone(), adapters }))
    }

    /// The files that Pack writes, in the order of [`Decision::ticked`](super::Decision::ticked).
    pub fn outputs(&self) -> Vec<PathBuf> {
        let default = |preset: &&Preset| self.model.default_file_name(preset.name);
        let names = match (&self.choice.decision().ticked[..], &self.destination.name) {
            ([_], Some(name)) => vec![name.clone()],
            (ticked, _) => ticked.iter().map(default).collect(),
        };
        names.iter().map(|name| self.destination.folder.join(name)).collect()
    }

    /// Lists the tensors of a group of fallbacks, or no longer.
    pub(super) fn unfold(&mut self, group: usize) {
        if !self.unfolded.remove(&group) {
            self.unfolded.insert(group);
        }
    }

    /// Shows these errors, in the table as well.
    pub(super) fn set_errors(&mut self, errors: Option<Errors>) {
        let relative = |errors: &Errors| {
            let of = |tensor| errors.of(tensor).map(|found| found.error.judged().relative_rmse());
            (0..self.model.tensors.len()).map(of).collect()
        };
        self.table.errors = errors.as_ref().map(relative).unwrap_or_default();
        self.table.update(&self.model, &self.choice.plan);
        self.errors = errors;
    }

    /// Writes to `path` from now on; the name goes on following the type where it is the type's own.
    pub fn save_to(&mut self, path: &Path) {
        self.destination.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let name = file_name(path);
        self.destination.name =
            (name != self.model.default_file_name(self.choice.decision().preset.name)).then_some(name);
    }
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Beside the model; the sample's file goes to the user's documents, because its own folder is the program's.
fn default_folder(model: &Path, is_sample: bool) -> PathBuf {
    if is_sample || model.ends_with("assets/sample") {
        let dirs = directories::UserDirs::new();
        let documents = dirs.as_ref().and_then(|dirs| dirs.document_dir()).filter(|folder| folder.is_dir());
        return documents.map(Path::to_owned).or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    }
    let absolute = std::path::absolute(model).unwrap_or_else(|_| model.to_owned());
    absolute.parent().map(Path::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Command, Engine, Stage};
    use std::time::Duration;

    fn sample() -> Arc<Model> {
        Arc::new(Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")).unwrap())
    }

    /// Two jobs of an engine whose events are left alone.
    fn jobs() -> (JobId, JobId) {
        let mut engine = Engine::start(Box::new(|| {}));
        (engine.submit(Command::ListDevices), engine.submit(Command::ListDevices))
    }

    fn choose(opened: &mut Opened, name: &str) {
        let preset = preset_from_name(name).unwrap();
        opened.choice.change(&opened.model, |decision| decision.show(preset));
    }

    fn progress() -> EventKind {
        EventKind::Progress(Progress {
            stage: Stage::Packing,
            done: 1,
            total: 2,
            rate: 3.0,
            remaining: Some(Duration::from_secs(4)),
            tensor: "output.weight".to_owned(),
        })
    }

    fn packing(job: JobId) -> State {
        let packing = Packing { job, outputs: vec!["out.gguf".into()], progress: None, is_cancelling: false };
        let mut state = State { packing: Some(packing), ..State::default() };
        state.show(sample(), true);
        state
    }

    #[test]
    fn late_events_of_a_dead_job_change_nothing() {
        let (dead, living) = jobs();
        let mut state = State {
            opening: Some(Opening { job: living, target: Target::Sample }),
            packing: Some(Packing {
                job: living,
                outputs: vec!["out.gguf".into()],
                progress: None,
                is_cancelling: false,
            }),
            ..State::default()
        };
        let late = [
            progress(),
            EventKind::Warning("late".to_owned()),
            EventKind::Devices(Vec::new()),
            EventKind::Opened(sample()),
            EventKind::Failed("late".to_owned()),
            EventKind::Cancelled,
        ];
        for kind in late {
            state.apply(Event { job: dead, kind });
            assert!(state.opening.is_some() && state.packing.is_some() && state.opened.is_none());
            assert!(state.dialog.is_none() && state.warnings.is_empty());
            assert!(state.packing.as_ref().unwrap().progress.is_none());
        }
    }

    #[test]
    fn progress_is_the_latest_and_failure_ends_it() {
        let (job, _) = jobs();
        let mut state = packing(job);
        state.apply(Event { job, kind: progress() });
        assert_eq!(state.packing.as_ref().unwrap().progress.as_ref().unwrap().fraction(), 0.5);
        state.apply(Event { job, kind: EventKind::Failed("the disk is full".to_owned()) });
        assert!(state.packing.is_none());
        assert!(matches!(&state.dialog, Some(Dialog::Failed { can_pack_anyway: false, .. })), "{:?}", state.dialog);
    }

    #[test]
    fn a_failure_by_nan_offers_to_go_on() {
        let (job, _) = jobs();
        let mut state = packing(job);
        state.apply(Event { job, kind: EventKind::Failed("a NaN; go on with --allow-nonfinite".to_owned()) });
        assert!(matches!(&state.dialog, Some(Dialog::Failed { can_pack_anyway: true, .. })), "{:?}", state.dialog);
    }

    #[test]
    fn the_output_follows_the_type_until_it_has_a_name_of_its_own() {
        let mut state = State::default();
        state.show(sample(), true);
        let opened = state.opened.as_mut().unwrap();
        let kept = opened.outputs().remove(0);
        opened.save_to(&Path::new("/elsewhere").join(file_name(&kept)));
        choose(opened, "Q8_0");
        assert_eq!(opened.outputs(), [Path::new("/elsewhere").join(opened.model.default_file_name("Q8_0"))]);
        opened.save_to(Path::new("/elsewhere/mine.gguf"));
        choose(opened, "Q6_K");
        assert_eq!(opened.outputs(), [Path::new("/elsewhere/mine.gguf")]);
        let more = preset_from_name("Q8_0").unwrap();
        opened.choice.change(&opened.model, |decision| decision.tick(more));
        let named = ["Q8_0", "Q6_K"].map(|name| Path::new("/elsewhere").join(opened.model.default_file_name(name)));
        assert_eq!(opened.outputs(), named);
    }

    #[test]
    fn the_next_model_keeps_the_type() {
        let mut state = State::default();
        state.show(sample(), true);
        choose(state.opened.as_mut().unwrap(), "Q6_K");
        state.show(sample(), false);
        let opened = state.opened.unwrap();
        assert_eq!((opened.choice.decision().preset.name, opened.choice.plan.recipe.preset.name), ("Q6_K", "Q6_K"));
    }
}
