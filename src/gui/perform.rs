//! Carries actions out: the one place where what the user asks for changes the window's state or starts a job.

use super::action::Action;
use super::adapter::AdapterForm;
use super::app::App;
use super::download::{Download, Downloading};
use super::kv::Keep;
use super::selection::Select;
use super::size::{Side, Wish};
use super::state::{Dialog, Opened, Opening, Reading, Tab, Target, Verifying};
use super::{files, panels};
use crate::engine::{AdapterRequest, Command, VerifyRequest};
use crate::fit;
use crate::hub::Access;
use crate::quant::F32;
use std::path::{Path, PathBuf};

impl App {
    pub(super) fn perform(&mut self, action: Action, ctx: &egui::Context) {
        match action {
            Action::OpenFolder => self.pickers.folder(),
            Action::OpenFile => self.pickers.file(),
            Action::Open(target) if self.state.packing.is_some() => self.state.dialog = Some(Dialog::Busy(target)),
            Action::Open(target) => self.open(target),
            Action::CancelAndOpen(target) => {
                self.cancel();
                // The pack's last events find no job, and the engine opens the model when the pack has cleaned up.
                self.state.packing = None;
                self.open(target);
            }
            Action::Download => self.state.dialog = Some(Dialog::Download(Download::new())),
            Action::StartDownload => self.download(),
            Action::ChooseDownloadFolder => {
                if let Some(Dialog::Download(form)) = &self.state.dialog {
                    self.pickers.download_folder(&form.folder);
                }
            }
            Action::NameDownload(id) => self.change_download(|form| form.rename(id)),
            Action::ReviseDownload(revision) => self.change_download(|form| form.revision = revision),
            Action::PickDownload(name) => self.change_download(|form| form.chosen = Some(name)),
            Action::DownloadInto(folder) => self.change_download(|form| form.folder = folder),
            Action::ChooseAdapter => self.pickers.adapter(),
            Action::ChooseBaseFolder => self.pickers.base_folder(),
            Action::ChooseBaseFile => self.pickers.base_file(),
            Action::UseBase(path) => self.change_adapter(|form| form.base = Some(path)),
            Action::ScaleAdapter(text) => self.change_adapter(|form| form.scale = text),
            Action::MergeAdapter => {
                if let Some(target) = self.state.merged() {
                    self.perform(Action::Open(target), ctx);
                }
            }
            Action::ExportAdapter => {
                if let Some(Dialog::Adapter(AdapterForm { path, base: Some(base), .. })) = &self.state.dialog {
                    let request = AdapterRequest { path: path.clone(), base: base.clone(), format: &F32 };
                    self.perform(Action::Open(Target::Adapter(request)), ctx);
                }
            }
            Action::RemoveAdapter(place) => {
                if let Some(target) = self.state.opened.as_ref().and_then(|opened| opened.without_adapter(place)) {
                    self.perform(Action::Open(target), ctx);
                }
            }
            Action::Ask => {
                self.state.ask();
            }
            Action::UsePreTokenizer(_) => {
                self.state.dialog = None;
                if let Some(opened) = &mut self.state.opened {
                    opened.perform(action);
                }
            }
            Action::ReadTemplate => self.pickers.template(),
            Action::UseImatrix => self.pickers.imatrix(),
            Action::OpenImatrix(path) => self.open_imatrix(path),
            Action::Cancel if !self.state.is_busy() => {
                let sheet = self.state.opened.as_ref().map(|opened| &opened.sheet);
                // A template is too long to be lost by a key.
                let is_typed = sheet.is_some_and(|sheet| sheet.editing.is_some() && sheet.typed_template().is_none());
                let least = if is_typed { Action::LeaveValue } else { Action::Select(Select::Nothing) };
                self.perform(least, ctx);
            }
            Action::Cancel => self.cancel(),
            Action::SaveAs => {
                if let Some(opened) = &self.state.opened {
                    self.pickers.save(&opened.outputs()[0]);
                }
            }
            Action::ChooseFolder => {
                if let Some(opened) = &self.state.opened {
                    self.pickers.output_folder(&opened.destination.folder);
                }
            }
            Action::Fit(change) => self.state.fit.change(change),
            // What follows a slider comes from the solver.
            Action::Size(wish @ (Wish::Move(_) | Wish::LetGo | Wish::Type(_) | Wish::Leave)) => {
                return self.resize(wish);
            }
            Action::Size(wish) => self.resize(wish),
            Action::Kv(keep) => self.keep(keep),
            Action::Prompt(shorten) => self.shorten(shorten),
            Action::Trim(trim) => self.trim(trim),
            Action::Quality(inquiry) => self.inquire(inquiry),
            Action::ChooseDevice(device) => self.state.device = device,
            Action::Pack => self.pack(false),
            Action::Replace => self.pack(true),
            Action::PackAnyway => {
                if let Some(opened) = &mut self.state.opened {
                    opened.allows_nonfinite = true;
                }
                self.pack(false);
            }
            Action::CompareWith => self.pickers.compare(),
            Action::Verify(file) => self.verify(file),
            Action::CancelVerify => self.cancel_verify(),
            Action::DismissWarnings => self.state.warnings.clear(),
            Action::Dismiss => {
                self.stop_download();
                self.state.dialog = None;
            }
            Action::ShowShortcuts => self.state.dialog = Some(Dialog::Shortcuts),
            Action::FocusFilter => ctx.memory_mut(|memory| memory.request_focus(panels::filter_id())),
            Action::Copy(text) => ctx.copy_text(text),
            Action::ShowInFolder(file) => self.show_in_folder(&file),
            Action::ToggleTheme => ctx.set_theme(match ctx.theme() {
                egui::Theme::Dark => egui::Theme::Light,
                egui::Theme::Light => egui::Theme::Dark,
            }),
            Action::Theme(preference) => ctx.set_theme(preference),
            Action::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            Action::QuitNow => {
                self.cancel();
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
            }
            choice => {
                if let Action::EditValue(usual) = &choice {
                    ctx.memory_mut(|memory| memory.request_focus(panels::value_id(usual)));
                }
                if let Some(opened) = &mut self.state.opened {
                    opened.perform(choice);
                }
            }
        }
        self.state.refit();
    }

    pub(super) fn open(&mut self, target: Target) {
        self.stop_reading();
        if let Some(before) = &self.state.opening {
            self.engine.cancel(before.job);
        }
        let job = self.engine.submit(match &target {
            Target::Sample => Command::OpenSample,
            Target::Path(path) => Command::OpenAny(path.clone()),
            Target::Merged(request) => Command::Open(request.clone()),
            Target::Adapter(request) => Command::ExportAdapter(request.clone()),
        });
        self.state.opening = Some(Opening { job, target });
        self.cancel_verify();
        self.stop_inquiry();
        self.keep(Keep::Cancel);
        self.stop_prompt();
        self.stop_pruning();
        self.stop_statistics();
        self.state.dialog = None;
        self.state.warnings.clear();
        self.state.memory = fit::this_machine();
    }

    fn change_adapter(&mut self, change: impl FnOnce(&mut AdapterForm)) {
        if let Some(Dialog::Adapter(form)) = &mut self.state.dialog {
            change(form);
        }
    }

    fn change_download(&mut self, change: impl FnOnce(&mut Download)) {
        if let (Some(Dialog::Download(form)), None) = (&mut self.state.dialog, &self.state.downloading) {
            change(form);
        }
    }

    fn download(&mut self) {
        let Some(Dialog::Download(form)) = &mut self.state.dialog else { return };
        if self.state.downloading.is_some() {
            return;
        }
        match form.request() {
            Ok(request) => {
                form.problem = None;
                let access = self.hub.clone().unwrap_or_else(Access::from_environment);
                let job = self.engine.submit(Command::Pull(request, access));
                self.state.downloading = Some(Downloading { job, progress: None });
            }
            Err(problem) => form.problem = Some(problem),
        }
    }

    /// What came is kept, and nobody waits for its end.
    fn stop_download(&mut self) {
        if let Some(downloading) = self.state.downloading.take() {
            self.engine.cancel(downloading.job);
        }
    }

    fn open_imatrix(&mut self, path: PathBuf) {
        self.stop_reading();
        if self.state.opened.is_some() {
            let job = self.engine.submit(Command::OpenImatrix(path.clone()));
            self.state.reading = Some(Reading { job, path });
        }
    }

    /// An importance matrix that is on its way is no longer wanted.
    fn stop_reading(&mut self) {
        if let Some(reading) = self.state.reading.take() {
            self.engine.cancel(reading.job);
        }
    }

    fn cancel(&mut self) {
        self.stop_reading();
        if let Some(packing) = &mut self.state.packing {
            packing.is_cancelling = true;
            self.engine.cancel(packing.job);
        }
        if let Some(opening) = &self.state.opening {
            self.engine.cancel(opening.job);
        }
        self.cancel_verify();
        self.stop_inquiry();
        self.keep(Keep::Cancel);
        self.stop_prompt();
        self.stop_pruning();
        self.stop_statistics();
        self.stop_download();
        self.state.dialog = None;
    }

    /// Nothing is left to clean up, so nobody waits for its end.
    fn cancel_verify(&mut self) {
        if let Some(verifying) = self.state.verifying.take() {
            self.engine.cancel(verifying.job);
        }
    }

    fn verify(&mut self, file: PathBuf) {
        self.cancel_verify();
        let Some(opened) = &mut self.state.opened else { return };
        opened.tab = Tab::Errors;
        let request = VerifyRequest {
            candidate: file.clone(),
            reference: opened.model.clone(),
            imatrix: opened.choice.plan.recipe.imatrix.clone(),
        };
        let job = self.engine.submit(Command::Verify(request));
        self.state.verifying = Some(Verifying { job, file, progress: None });
        self.state.warnings.clear();
    }

    fn show_in_folder(&mut self, file: &Path) {
        if let Err(error) = files::show_in_folder(file) {
            self.state.warnings.push(format!("The file manager does not start: {error}."));
        }
    }
}

impl Opened {
    /// Carries out a choice about the opened model.
    fn perform(&mut self, action: Action) {
        if self.perform_edit(&action) {
            return;
        }
        let (model, choice) = (&self.model, &mut self.choice);
        let picked = &self.table.selection.tensors;
        match action {
            Action::ChooseType(preset) => {
                self.sizing.side = Side::Type;
                choice.change(model, |decision| decision.show(preset));
            }
            Action::NextType | Action::PreviousType => {
                let step = if matches!(action, Action::NextType) { 1 } else { -1 };
                let preset = self.picker.neighbour(choice.decision().preset, step);
                choice.change(model, |decision| decision.show(preset));
            }
            Action::Tick(preset) => choice.change(model, |decision| decision.tick(preset)),
            Action::FindType(text) => return self.picker.filter = text,
            Action::GiveType(format) => choice.change(model, |decision| {
                for &index in picked {
                    match format {
                        Some(format) => decision.picks.insert(index, format),
                        None => decision.picks.remove(&index),
                    };
                }
            }),
            Action::RemoveImatrix => choice.change(model, |decision| decision.imatrix = None),
            Action::ResetTypes => choice.change(model, |decision| decision.picks.clear()),
            Action::AddPattern => choice.change(model, |decision| decision.patterns.push(String::new())),
            Action::EditPattern(index, text) => choice.edit_pattern(model, index, text),
            Action::RemovePattern(index) if index < choice.decision().patterns.len() => {
                choice.change(model, |decision| {
                    decision.patterns.remove(index);
                })
            }
            Action::Undo | Action::Redo => {
                let (is_undo, was_sized) = (matches!(action, Action::Undo), choice.decision().size.is_some());
                if if is_undo { choice.undo() } else { choice.redo() } {
                    let is_sized = choice.decision().size.is_some();
                    if is_sized != was_sized {
                        self.sizing.side = if is_sized { Side::Size } else { Side::Type };
                    }
                    self.sizing.typed = None;
                    self.follow_decision();
                }
            }
            Action::Select(select) => return self.table.selection.apply(select, model, &self.table.rows),
            Action::Filter(text) => self.table.filter = text,
            Action::Sort(column) => self.table.sort(column),
            Action::Show(tab) => return self.tab = tab,
            Action::Unfold(group) => return self.unfold(group),
            Action::ShowOutput(output) => return self.shown_output = output,
            Action::SaveTo(path) => return self.save_to(&path),
            Action::SaveInto(folder) => return self.destination.folder = folder,
            _ => return,
        }
        self.show_choice();
    }

    /// Shows what comes of a choice.
    pub(super) fn show_choice(&mut self) {
        self.unfolded.clear();
        self.look_at_current();
        self.table.update(&self.model, &self.choice.plan);
    }
}
