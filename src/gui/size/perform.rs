//! Starts and stops the jobs of the size side, and asks the solver.

use super::{Basis, Goal, Question, Side, Standing, Wish};
use crate::engine::{Command, StatisticsRequest};
use crate::fit::Settings;
use crate::gui::app::App;
use crate::gui::decision::Asked;
use crate::gui::fit::Fitting;
use crate::gui::state::{Opened, State, Tab};
use crate::recipe::{Level, Override, USUAL_TYPES};
use std::sync::Arc;

impl App {
    /// Carries out what the user asks for on the size side.
    pub(in crate::gui) fn resize(&mut self, wish: Wish) {
        let Some(opened) = &mut self.state.opened else { return };
        match wish {
            Wish::ChooseText => self.pickers.observed_text(),
            Wish::Make => self.make_statistics(),
            Wish::Stop => self.stop_statistics(),
            Wish::Turn(side) => opened.turn(side),
            Wish::Effort(level) => opened.spend(level),
            Wish::Move(bytes) => opened.ask_size(bytes),
            Wish::LetGo => opened.choice.let_go(),
            Wish::Type(text) => opened.type_size(text),
            Wish::Leave => (opened.sizing.typed, opened.sizing.problem) = (None, None),
            Wish::Fill(name) => {
                opened.sizing.filling = Some(name);
                opened.sizing.side = Side::Size;
            }
            change => opened.sizing.change(change),
        }
    }

    /// Looks for statistics where they are needed, and asks the solver where something else is to be found.
    pub(in crate::gui) fn size_next(&mut self) {
        let State { opened: Some(opened), packing, fit, .. } = &mut self.state else { return };
        if opened.sizing.side != Side::Size && opened.choice.decision().size.is_none() {
            return;
        }
        if opened.sizing.resumes && packing.is_none() {
            return self.make_statistics();
        }
        let text = opened.observed_text();
        if opened.sizing.looked.as_ref() != Some(&text) && !opened.sizing.is_making() {
            return self.look_for_statistics();
        }
        opened.begin_size();
        if let Some(question) = opened.question(fit) {
            opened.sizing.basis = Some(Arc::clone(&question.basis));
            opened.sizing.asked = opened.choice.decision().size;
            self.solver.ask(question);
        }
    }

    fn look_for_statistics(&mut self) {
        let Some(request) = self.statistics() else { return };
        let Some(opened) = &mut self.state.opened else { return };
        if let Some(before) = opened.sizing.job() {
            self.engine.cancel(before);
        }
        opened.sizing.drop_mixes();
        opened.choice.forget_mix();
        opened.sizing.problem = None;
        opened.sizing.looked = Some(opened.observed_text());
        opened.sizing.standing = Standing::Looking(self.engine.submit(Command::FindStatistics(request)));
    }

    fn make_statistics(&mut self) {
        let Some(request) = self.statistics() else { return };
        if self.state.ask() {
            return;
        }
        let Some(opened) = &mut self.state.opened else { return };
        opened.sizing.resumes = false;
        if opened.sizing.is_making() {
            return;
        }
        opened.sizing.problem = None;
        opened.sizing.looked = Some(opened.observed_text());
        let job = self.engine.submit(Command::Statistics(request));
        opened.sizing.standing = Standing::Making { job, progress: None };
    }

    fn statistics(&self) -> Option<StatisticsRequest> {
        let opened = self.state.opened.as_ref()?;
        Some(StatisticsRequest {
            model: Arc::clone(&opened.model),
            text: opened.sizing.text.clone(),
            chunks: opened.sizing.chunks,
            level: Some(opened.level()),
            types: USUAL_TYPES.to_vec(),
            path: self.statistics.clone(),
            expected: None,
            computing: self.state.computing(),
        })
    }

    /// What was found stays in the file.
    pub(in crate::gui) fn stop_statistics(&mut self) {
        let Some(opened) = &mut self.state.opened else { return };
        opened.sizing.resumes = false;
        if let Standing::Making { job, .. } = opened.sizing.standing {
            self.engine.cancel(job);
            // How much is there is looked for anew.
            (opened.sizing.standing, opened.sizing.looked) = (Standing::Unknown, None);
        }
    }

    /// Lets something else go first, after which making statistics goes on.
    pub(in crate::gui) fn pause_statistics(&mut self) {
        let is_making = self.state.opened.as_ref().is_some_and(|opened| opened.sizing.is_making());
        self.stop_statistics();
        if let Some(opened) = self.state.opened.as_mut().filter(|_| is_making) {
            opened.sizing.resumes = true;
        }
    }

    /// Takes in what the solver found.
    pub(in crate::gui) fn take_answers(&mut self) {
        for mut answer in self.solver.poll() {
            let rows = answer.outcome.as_mut().ok().and_then(|solved| solved.rows.take());
            let Some(opened) = &mut self.state.opened else { return };
            if !opened.take_answer(answer) {
                continue;
            }
            match rows {
                Some((runs, rows)) if self.state.fit.runs().as_ref() == Some(&runs) => self.state.fit.rows = rows,
                _ => self.state.refit(),
            }
        }
    }
}

impl Opened {
    /// What files are chosen by. Without a size, the type stays what is written.
    fn turn(&mut self, side: Side) {
        (self.sizing.side, self.sizing.typed, self.sizing.filling) = (side, None, None);
        if side == Side::Type && self.choice.decision().size.is_some() {
            self.choice.change(&self.model, |decision| decision.size = None);
            self.show_choice();
        }
    }

    fn spend(&mut self, level: Level) {
        self.sizing.level = level;
        if let Some(Asked { bytes, .. }) = self.choice.decision().size {
            self.choice.let_go();
            self.choice.ask_size(&self.model, Asked { bytes, level });
            self.choice.let_go();
        }
    }

    fn ask_size(&mut self, bytes: u64) {
        let asked = Asked { bytes, level: self.level() };
        (self.sizing.typed, self.sizing.problem, self.sizing.filling) = (None, None, None);
        self.choice.ask_size(&self.model, asked);
    }

    /// What is a size already is asked for while the rest is typed.
    fn type_size(&mut self, text: String) {
        let parsed = self.sizing.sizes.as_ref().map(|sizes| sizes.parse(&text));
        match parsed {
            Some(Ok(bytes)) => self.ask_size(bytes),
            Some(Err(problem)) => self.sizing.problem = Some(problem),
            None => {}
        }
        self.sizing.typed = Some(text);
    }

    /// Begins with the size of the type in view, as soon as mixes can be made.
    fn begin_size(&mut self) {
        let is_ready = matches!(self.sizing.standing, Standing::Ready(_));
        if is_ready && self.sizing.side == Side::Size && self.choice.decision().size.is_none() {
            self.ask_size_first();
        }
    }

    fn ask_size_first(&mut self) {
        let asked = Asked { bytes: self.choice.plan.file_bytes, level: self.level() };
        self.choice.let_go();
        self.choice.ask_size(&self.model, asked);
        self.choice.let_go();
    }

    /// What the solver is to find, if it was not asked already.
    fn question(&self, fit: &Fitting) -> Option<Question> {
        let (Standing::Ready(report), Some(asked)) = (&self.sizing.standing, self.choice.decision().size) else {
            return None;
        };
        let known = self.sizing.basis.as_ref().filter(|basis| {
            Arc::ptr_eq(&basis.model, &self.model)
                && Arc::ptr_eq(&basis.statistics, &report.statistics)
                && basis.level == asked.level
                && is_same(&basis.overrides, self.choice.overrides())
        });
        // What was asked of something else does not count.
        let is_asked = known.is_some() && self.sizing.asked == Some(asked);
        let machine = self.sizing.filling.as_ref().and_then(|name| fit.machine(name));
        let goal = match machine {
            _ if is_asked => return None,
            Some(machine) => {
                let longest = Fitting::longest(&self.model);
                let settings = Settings { context: fit.settings.context.min(longest), ..fit.settings };
                Goal::Fill(Box::new(machine), settings)
            }
            None if self.choice.is_solved() => return None,
            None => Goal::Bytes(asked.bytes),
        };
        let runs = fit.runs().filter(|_| self.tab == Tab::Fit);
        let basis = known.cloned().unwrap_or_else(|| {
            let (model, statistics) = (Arc::clone(&self.model), Arc::clone(&report.statistics));
            let overrides = self.choice.overrides().to_vec();
            Arc::new(Basis { model, statistics, overrides, level: asked.level })
        });
        Some(Question { basis, goal, runs })
    }
}

fn is_same(a: &[Override], b: &[Override]) -> bool {
    let same = |(a, b): (&Override, &Override)| a.pattern.as_str() == b.pattern.as_str() && a.format == b.format;
    a.len() == b.len() && a.iter().zip(b).all(same)
}
