//! The application: events in, actions out, panels between.

use super::action::Action;
use super::files::Pickers;
use super::screenshots::Script;
use super::size::Solver;
use super::state::{Dialog, State, Target};
use super::{Options, panels, theme};
use crate::engine::{Command, Engine};
use crate::fit;
use crate::hub::Access;
use std::path::PathBuf;

/// The window's application.
pub struct App {
    pub(super) state: State,
    pub(super) engine: Engine,
    pub(super) pickers: Pickers,
    /// Finds mixes.
    pub(super) solver: Solver,
    /// The file of statistics; without, one in Tuck's cache folder for each model and text.
    pub(super) statistics: Option<PathBuf>,
    /// Where models are fetched from.
    pub(super) hub: Option<Access>,
    /// Asked for while drawing, carried out before the next frame.
    actions: Vec<Action>,
    script: Option<Script>,
}

impl App {
    /// Starts the engine, and opens what the options say.
    pub fn new(ctx: &egui::Context, options: Options) -> Self {
        theme::install(ctx);
        let repaint = ctx.clone();
        let engine = Engine::start(Box::new(move || repaint.request_repaint()));
        let state = State { memory: fit::this_machine(), ..State::default() };
        let script = options.screenshots.map(Script::new);
        let (pickers, hub, statistics) = (Pickers::new(ctx), options.hub, options.statistics);
        let repaint = ctx.clone();
        let solver = Solver::start(move || repaint.request_repaint());
        let mut app = Self { state, engine, pickers, solver, statistics, hub, actions: Vec::new(), script };
        if app.script.is_some() {
            app.open(Target::Sample);
        } else if let Some(path) = options.path {
            app.open(Target::Path(path));
        }
        // After the model, because the first look for graphics drivers can take a second.
        app.state.listing = Some(app.engine.submit(Command::ListDevices));
        app.state.fit.reading = Some(app.engine.submit(Command::ReadHardware));
        app
    }

    /// What the window shows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Carries `action` out before the next frame, as if the user had asked for it.
    pub fn ask(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn take_events(&mut self) {
        let events = match &mut self.script {
            Some(script) => script.events(&self.engine),
            None => self.engine.drain(),
        };
        for event in events {
            self.state.apply(event);
        }
        self.take_answers();
        self.pack_next();
        self.measure_next();
        if let Some(path) = self.state.fetched.take() {
            self.actions.push(Action::Open(Target::Path(path)));
        }
    }

    fn take_keys(&mut self, ctx: &egui::Context) {
        let is_typing = ctx.text_edit_focused();
        let is_choosing = egui::Popup::is_any_open(ctx);
        let has_focus = ctx.memory(|memory| memory.focused().is_some());
        for action in Action::with_shortcuts() {
            let free = match action {
                // The dialog has its own keys, and a pack is not to start behind it.
                _ if self.state.dialog.is_some() => false,
                Action::PreviousType | Action::NextType => !has_focus && !is_choosing && self.state.is_by_type(),
                // Menus close by it, and text has a history of its own.
                Action::Cancel => !is_typing && !is_choosing,
                Action::Undo | Action::Redo | Action::Select(_) => !is_typing,
                _ => true,
            };
            let Some(shortcut) = action.shortcut().filter(|_| free) else { continue };
            if ctx.input_mut(|input| input.consume_shortcut(&shortcut)) {
                self.actions.push(action);
            }
        }
    }

    fn take_drops(&mut self, ctx: &egui::Context) {
        let dropped = ctx.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_owned()));
        self.actions.extend(dropped.map(|path| self.state.dropped(path)));
    }

    fn take_close(&mut self, ctx: &egui::Context) {
        let is_closing = ctx.input(|input| input.viewport().close_requested());
        if is_closing && self.state.packing.is_some() && self.state.dialog != Some(Dialog::Quit) {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.state.dialog = Some(Dialog::Quit);
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        self.take_events();
        self.take_keys(ctx);
        self.take_drops(ctx);
        self.take_close(ctx);
        self.actions.extend(self.pickers.poll());
        if let Some(script) = &mut self.script {
            self.actions.extend(script.step(&self.state, ctx));
        }
        for action in std::mem::take(&mut self.actions) {
            self.perform(action, ctx);
        }
        self.size_next();
        self.count_prompt();
        if self.script.is_some() {
            // So that the script sees a pack from its first moment.
            self.take_events();
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        panels::show(ui, &self.state, &mut self.actions);
        if !self.actions.is_empty() {
            ui.ctx().request_repaint();
        }
    }
}
