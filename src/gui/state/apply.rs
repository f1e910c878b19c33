//! What the window's state says, and what the engine's events do to it.

use super::opened::default_folder;
use super::{Destination, Dialog, OF_ADAPTERS, Opened, State, Tab, Target, Then, USUAL, file_name};
use crate::checkpoint::{Adapter, Kind};
use crate::engine::{Computing, Event, EventKind, JobId, OpenRequest};
use crate::gui::action::Action;
use crate::gui::adapter::AdapterForm;
use crate::gui::choice::Choice;
use crate::gui::errors::Errors;
use crate::gui::files::is_imatrix;
use crate::gui::kv::Keeping;
use crate::gui::metadata::Sheet;
use crate::gui::picker::Picker;
use crate::gui::prompt::Prompting;
use crate::gui::pruning::Pruning;
use crate::gui::quality::Quality;
use crate::gui::size::{Side, Sizing};
use crate::gui::table::Table;
use crate::model::Model;
use crate::recipe::{Preset, preset_from_name};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

impl State {
    /// Where to compute.
    pub(in crate::gui) fn computing(&self) -> Computing {
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
        } else if job.is_some() && job == self.pruning() {
            self.apply_to_pruning(event.kind);
        } else if job == self.downloading.as_ref().map(|downloading| downloading.job) {
            self.apply_to_downloading(event.kind);
        } else if job == self.keeping() {
            self.apply_to_keeping(event.kind);
        } else if job.is_some() && job == self.prompting() {
            self.apply_to_prompt(event.kind);
        } else if job.is_some() && job == self.observing() {
            self.apply_to_size(event.kind);
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
    pub(in crate::gui) fn refit(&mut self) {
        if let Some(opened) = self.opened.as_ref().filter(|opened| opened.tab == Tab::Fit) {
            self.fit.update(opened);
        }
        let runs = self.fit.runs();
        if let Some(opened) = self.opened.as_mut().filter(|opened| opened.tab == Tab::Pruning) {
            opened.pruning.update(&opened.model, &opened.choice.plan, runs);
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
    pub(in crate::gui) fn dropped(&self, path: PathBuf) -> Action {
        match &self.dialog {
            // Another adapter takes its place.
            Some(Dialog::Adapter(_)) if Adapter::folder_of(&path).is_none() => Action::UseBase(path),
            _ if self.opened.is_some() && is_imatrix(&path) => Action::OpenImatrix(path),
            _ => Action::Open(Target::Path(path)),
        }
    }

    /// The model of the adapter's dialog with the adapter merged into it, besides those that are merged already.
    pub(in crate::gui) fn merged(&self) -> Option<Target> {
        let Some(Dialog::Adapter(form)) = &self.dialog else { return None };
        let (path, choice) = (form.base.clone()?, form.choice().ok()?);
        let opened = self.opened.as_ref().filter(|opened| opened.source.path == path);
        let merged = opened.into_iter().flat_map(|opened| &opened.source.adapters).map(|merged| merged.choice.clone());
        Some(Target::Merged(OpenRequest { adapters: merged.chain([choice]).collect(), path }))
    }

    /// Asks what has to be decided before the opened model is packed; false where nothing has.
    pub(in crate::gui) fn ask(&mut self) -> bool {
        let is_open = self.opened.as_ref().is_some_and(|opened| opened.model.question.is_some());
        if is_open {
            self.dialog = Some(Dialog::PreTokenizer);
        }
        is_open
    }

    /// Whether something runs that can be cancelled.
    pub fn is_busy(&self) -> bool {
        let is_reading = self.opening.is_some() || self.reading.is_some() || self.verifying.is_some();
        let is_observing = self.opened.as_ref().is_some_and(|opened| opened.sizing.is_making());
        is_reading
            || is_observing
            || self.packing.is_some()
            || self.downloading.is_some()
            || self.inquiring().is_some()
            || self.keeping().is_some()
            || self.pruning().is_some()
            || self.opened.as_ref().is_some_and(|opened| opened.prompting.is_busy())
    }

    /// Whether files are chosen by their types.
    pub(in crate::gui) fn is_by_type(&self) -> bool {
        self.opened.as_ref().is_none_or(|opened| opened.sizing.side == Side::Type)
    }

    /// The running job of the quality tab.
    pub(in crate::gui) fn inquiring(&self) -> Option<JobId> {
        Some(self.opened.as_ref()?.quality.running.as_ref()?.job)
    }

    /// The running job of the cache tab.
    pub(in crate::gui) fn keeping(&self) -> Option<JobId> {
        Some(self.opened.as_ref()?.keeping.running.as_ref()?.0)
    }

    fn apply_to_keeping(&mut self, kind: EventKind) {
        match (kind, &mut self.opened) {
            (EventKind::Warning(warning), _) => self.warnings.push(warning),
            (kind, Some(opened)) => opened.keeping.apply(kind),
            (_, None) => {}
        }
    }

    /// The running job of the prompt tab.
    fn prompting(&self) -> Option<JobId> {
        self.opened.as_ref()?.prompting.running.as_ref().map(|running| running.job)
    }

    fn apply_to_prompt(&mut self, kind: EventKind) {
        match (kind, &mut self.opened) {
            (EventKind::Warning(warning), _) => self.warnings.push(warning),
            (kind, Some(opened)) => opened.prompting.apply(kind),
            (_, None) => {}
        }
    }

    /// The running job of the size side.
    fn observing(&self) -> Option<JobId> {
        self.opened.as_ref()?.sizing.job()
    }

    /// The running job of the pruning tab.
    fn pruning(&self) -> Option<JobId> {
        self.opened.as_ref()?.pruning.running.as_ref().map(|(job, _, _)| *job)
    }

    fn apply_to_pruning(&mut self, kind: EventKind) {
        match (kind, &mut self.opened) {
            (EventKind::Warning(warning), _) => self.warnings.push(warning),
            (kind, Some(opened)) => opened.pruning.apply(kind),
            (_, None) => {}
        }
    }

    fn apply_to_size(&mut self, kind: EventKind) {
        match (kind, &mut self.opened) {
            (EventKind::Warning(warning), _) => self.warnings.push(warning),
            (kind, Some(opened)) => opened.sizing.apply(kind),
            (_, None) => {}
        }
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
            EventKind::Sequenced(gram) => {
                if let Some(packing) = &mut self.packing {
                    match std::mem::take(&mut packing.then) {
                        Then::Write(mut request) if !packing.is_cancelling => {
                            request.outputs.iter_mut().for_each(|output| output.recipe.sequence = Some(gram.clone()));
                            (packing.then, packing.progress) = (Then::Start(request), None);
                            return;
                        }
                        _ => {}
                    }
                }
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
    pub(in crate::gui) fn show(&mut self, model: Arc<Model>, is_sample: bool) {
        let usual = || preset_from_name(USUAL).expect("the usual type is in the list");
        let before = self.opened.as_ref().filter(|opened| opened.model.kind != Kind::Adapter);
        let preset: &'static Preset = match model.kind {
            Kind::Adapter => preset_from_name(OF_ADAPTERS).expect("the list has it"),
            _ => before.map_or_else(usual, |opened| opened.choice.decision().preset),
        };
        let sizing = match model.kind {
            Kind::Adapter => Sizing::default(),
            _ => self.opened.as_ref().map(|opened| opened.sizing.of_next()).unwrap_or_default(),
        };
        let prompting = self.opened.as_ref().map_or_else(Prompting::default, |opened| opened.prompting.of_next());
        let choice = Choice::new(&model, preset);
        let mut table = Table::default();
        table.update(&model, &choice.plan);
        let mut sheet = Sheet::default();
        sheet.update(&model, &[]);
        let destination = Destination { folder: default_folder(&model.path, is_sample), name: None };
        self.opened = Some(Opened {
            keeping: Keeping::new(&model),
            prompting,
            pruning: Pruning::default(),
            quality: Quality::new(&model),
            sizing,
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
