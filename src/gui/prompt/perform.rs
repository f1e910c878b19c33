//! Starts and stops the jobs of the prompt tab.

use super::{PromptJob, Reading, Shorten};
use crate::checkpoint::Kind;
use crate::engine::{Command, PromptRequest, PromptSource};
use crate::gui::app::App;
use std::sync::Arc;

impl App {
    /// Carries out what the user asks for in the prompt tab.
    pub(in crate::gui) fn shorten(&mut self, shorten: Shorten) {
        let Some(opened) = &mut self.state.opened else { return };
        match shorten {
            Shorten::ChooseFile => self.pickers.prompt(),
            // What is known of the text is shown again.
            Shorten::Score if opened.prompting.scores.is_some() => opened.prompting.is_editing = false,
            Shorten::Score => self.read_prompt(Reading::Scoring),
            Shorten::Measure => self.read_prompt(Reading::Measuring),
            Shorten::Cancel => self.stop_prompt(),
            change => {
                let is_other = matches!(change, Shorten::Text(_) | Shorten::Question(_) | Shorten::Read(Ok(_)));
                opened.prompting.change(change);
                if is_other {
                    self.stop_prompt();
                }
            }
        }
    }

    /// Counts the tokens of what is kept, where the slider moved since they were counted. Called before each frame.
    pub(in crate::gui) fn count_prompt(&mut self) {
        let is_wanted = self.state.opened.as_ref().is_some_and(|opened| {
            let prompting = &opened.prompting;
            let is_known = prompting.counted().is_some() || prompting.problem.is_some();
            prompting.scores.is_some() && prompting.running.is_none() && !is_known
        });
        if is_wanted {
            self.read_prompt(Reading::Counting);
        }
    }

    fn read_prompt(&mut self, work: Reading) {
        let computing = self.state.computing();
        let Some(opened) = self.state.opened.as_mut().filter(|opened| opened.model.kind != Kind::Adapter) else {
            return;
        };
        let prompting = &mut opened.prompting;
        let of = match &prompting.scores {
            Some(scores) => PromptSource::Scores(Arc::clone(scores)),
            None if work != Reading::Scoring || prompting.text.trim().is_empty() => return,
            None => PromptSource::Text {
                text: prompting.text.clone(),
                question: prompting.question.clone(),
                keep: Vec::new(),
            },
        };
        match prompting.running.take() {
            Some(running) if running.work != Reading::Counting => return prompting.running = Some(running),
            Some(counting) => self.engine.cancel(counting.job),
            None => {}
        }
        let answer = if work == Reading::Measuring { prompting.answer } else { 0 };
        let request = PromptRequest {
            model: opened.source.clone(),
            of,
            budget: Some(prompting.budget()),
            answer,
            chat: true,
            computing,
        };
        let job = self.engine.submit(Command::Prompt(request));
        let ratio = prompting.ratio;
        (prompting.running, prompting.problem) = (Some(PromptJob { job, work, ratio, progress: None }), None);
    }

    /// Nothing is left to clean up, so nobody waits for its end.
    pub(in crate::gui) fn stop_prompt(&mut self) {
        if let Some(running) = self.state.opened.as_mut().and_then(|opened| opened.prompting.running.take()) {
            self.engine.cancel(running.job);
        }
    }
}
