//! Starts and stops the job of the cache tab.

use super::Keep;
use crate::engine::{Command, KvRequest};
use crate::gui::app::App;

impl App {
    /// Carries out what the user asks for in the cache tab.
    pub(in crate::gui) fn keep(&mut self, keep: Keep) {
        let computing = self.state.computing();
        let Some(opened) = &mut self.state.opened else { return };
        match keep {
            Keep::Measure if opened.keeping.running.is_none() => {
                let request = KvRequest {
                    model: opened.source.clone(),
                    choices: Vec::new(),
                    context: opened.keeping.context,
                    text: None,
                    chunk: opened.keeping.length,
                    chunks: Some(opened.keeping.count),
                    rounds_queries: false,
                    computing,
                };
                let job = self.engine.submit(Command::Kv(request));
                (opened.keeping.running, opened.keeping.problem) = (Some((job, None)), None);
            }
            Keep::Cancel => {
                if let Some((job, _)) = opened.keeping.running.take() {
                    self.engine.cancel(job);
                }
            }
            change => opened.keeping.change(&opened.source, change),
        }
    }
}
