//! Starts and stops the jobs of the quality tab.

use super::{Answers, Inquiry, Next, Quality, Running, Trial, USUAL_TYPES, Work};
use crate::engine::{Command, CompareRequest, MeasureRequest, Subject};
use crate::forward::Sampling;
use crate::gui::app::App;
use crate::gui::state::{Opened, Tab};
use crate::recipe::preset_from_name;

impl App {
    /// Carries out what the user asks for in the quality tab.
    pub(in crate::gui) fn inquire(&mut self, inquiry: Inquiry) {
        match inquiry {
            Inquiry::ChooseText => self.pickers.text(),
            Inquiry::Measure => self.measure(&[]),
            Inquiry::MeasureUsual => self.measure(&USUAL_TYPES),
            Inquiry::Ask => self.ask_both(),
            Inquiry::Adapt => self.adapt(),
            Inquiry::Cancel => self.stop_inquiry(),
            change => {
                if let Some(opened) = &mut self.state.opened {
                    opened.quality.change(change);
                }
            }
        }
    }

    /// Measures these types one after the other, but for those that were measured on the same text; without any, the recipe
    /// in view.
    fn measure(&mut self, types: &[&str]) {
        let is_ready =
            |opened: &&mut Opened| opened.choice.is_valid() && (!types.is_empty() || opened.choice.is_solved());
        let Some(opened) = self.state.opened.as_mut().filter(is_ready) else { return };
        if opened.quality.running.is_some() {
            return;
        }
        opened.tab = Tab::Quality;
        let trials = types.iter().filter_map(|name| preset_from_name(name)).map(|of| Trial::new(&opened.choice, of));
        let is_new = |trial: &Trial| opened.quality.comparable().all(|(_, of)| of.trial.decision != trial.decision);
        opened.quality.waiting = match types {
            [] => [opened.trial()].into(),
            _ => trials.filter(is_new).collect(),
        };
        (opened.quality.round, opened.quality.problem) = (0, None);
        self.measure_next();
    }

    /// Begins with the next of what is to be measured, if nothing runs.
    pub(in crate::gui) fn measure_next(&mut self) {
        self.adapt_next();
        let computing = self.state.computing();
        let Some(opened) = self.state.opened.as_mut().filter(|opened| opened.quality.running.is_none()) else { return };
        if let Some(trial) = opened.quality.answering.take() {
            return self.answer(trial);
        }
        let Some(trial) = opened.quality.waiting.pop_front() else { return };
        if trial.follows() {
            return self.follow(trial, Next::Measure);
        }
        let settings = opened.quality.settings.clone();
        let request = MeasureRequest {
            candidate: opened.model.clone(),
            recipe: Some(trial.recipe.clone()),
            reference: Some(opened.model.clone()),
            text: settings.text.clone(),
            context: settings.context,
            chunks: settings.chunks,
            computing,
        };
        let job = self.engine.submit(Command::Measure(request));
        let work = Work::Measuring(Box::new(trial), settings);
        opened.quality.running = Some(Running { job, progress: None, work });
    }

    fn ask_both(&mut self) {
        let is_ready = |opened: &&mut Opened| opened.choice.is_valid() && opened.choice.is_solved();
        let Some(opened) = self.state.opened.as_mut().filter(is_ready) else { return };
        let trial = opened.trial();
        if opened.quality.running.is_some() || opened.quality.prompt.trim().is_empty() {
            return;
        }
        match trial.follows() {
            true => self.follow(trial, Next::Answer),
            false => self.answer(trial),
        }
    }

    /// Follows the text through a mix, as it is done where it is packed.
    fn follow(&mut self, trial: Trial, then: Next) {
        let computing = self.state.computing();
        let Some(opened) = &mut self.state.opened else { return };
        let Some(request) = opened.sequence(&trial.recipe, computing) else { return };
        let job = self.engine.submit(Command::Sequence(request));
        opened.quality.problem = None;
        opened.quality.running = Some(Running { job, progress: None, work: Work::Following(Box::new(trial), then) });
    }

    fn answer(&mut self, trial: Trial) {
        let computing = self.state.computing();
        let Some(opened) = &mut self.state.opened else { return };
        let Quality { running: None, prompt, tokens, .. } = &opened.quality else { return };
        let request = CompareRequest {
            subjects: vec![
                Subject { model: opened.model.clone(), recipe: None },
                Subject { model: opened.model.clone(), recipe: Some(trial.recipe) },
            ],
            prompts: vec![prompt.clone()],
            chat: true,
            tokens: *tokens,
            sampling: Sampling::GREEDY,
            stops: true,
            computing,
        };
        let answers = Answers::new(["Original".to_owned(), trial.name], prompt.clone());
        let job = self.engine.submit(Command::Compare(request));
        (opened.quality.answers, opened.quality.problem) = (Some(answers), None);
        opened.quality.running = Some(Running { job, progress: None, work: Work::Answering });
    }

    /// Nothing is left to clean up, so nobody waits for its end.
    pub(in crate::gui) fn stop_inquiry(&mut self) {
        if let Some(job) = self.state.opened.as_mut().and_then(|opened| opened.quality.stop()) {
            self.engine.cancel(job);
        }
    }
}
