//! Changes to what the opened model says of itself, each a step that can be undone.

use super::action::Action;
use super::decision::Decision;
use super::kv::Keeping;
use super::metadata::{Editing, Page};
use super::state::Opened;
use crate::model::{EditError, Model, PRE_TOKENIZER, Pruning, Setting, Usual, UsualKind};
use std::sync::Arc;

impl Opened {
    /// Carries out an action of the metadata tab; false where it is none.
    pub(super) fn perform_edit(&mut self, action: &Action) -> bool {
        match action {
            Action::Turn(page) => self.sheet.page = *page,
            Action::FilterMetadata(text) => {
                text.clone_into(&mut self.sheet.filter);
                self.sheet.list(&self.model, &self.changed_keys());
            }
            Action::UnfoldFinding(place) => {
                self.sheet.unfolded = Some(*place).filter(|place| self.sheet.unfolded != Some(*place));
            }
            Action::Fix(place) => {
                let fix = self.sheet.findings.get(*place).and_then(|finding| finding.fix.clone());
                // What the lint proposes fits the model.
                let _ = fix.map(|fix| self.set(fix));
            }
            Action::EditValue(usual) => {
                if usual.kind == UsualKind::Template {
                    self.sheet.page = Page::Template;
                }
                self.edit(Some(Editing::new(usual, &self.model)));
            }
            Action::TypeValue(text) => {
                let editing = self.sheet.editing.take();
                self.edit(editing.map(|editing| Editing { text: text.clone(), problem: None, ..editing }));
            }
            Action::SetValue => self.set_typed(),
            Action::LeaveValue => self.edit(None),
            Action::RemoveValue(key) => self.remove(key),
            Action::RestoreValue(key) => self.restore(key),
            Action::UseTemplate(read) => self.use_template(read),
            Action::Preview(example) => {
                self.sheet.example = *example;
                self.sheet.render(&self.model);
            }
            Action::UsePreTokenizer(name) => {
                // It is of the list, and the question is asked of models that have one.
                let _ = self.decide(|decision| decision.pre_tokenizer = Some(name));
            }
            _ => return false,
        }
        true
    }

    /// Shows another text as the one being typed; the preview follows where it is a chat template.
    fn edit(&mut self, editing: Option<Editing>) {
        self.sheet.editing = editing;
        self.sheet.render(&self.model);
    }

    fn set_typed(&mut self) {
        let Some(editing) = self.sheet.editing.take() else { return };
        let key = editing.usual.key(&self.model.hparams.architecture);
        let is_removal = editing.text.trim().is_empty() && editing.usual.kind != UsualKind::Count;
        let result = match is_removal {
            true => {
                self.remove(&key);
                Ok(())
            }
            false => Setting::usual(editing.usual, &editing.text).and_then(|setting| self.set(setting)),
        };
        self.edit(result.err().map(|error| Editing { problem: Some(problem(error)), ..editing }));
    }

    /// What cannot be used stands in the editor, with what is wrong with it.
    fn use_template(&mut self, read: &Result<String, String>) {
        let usual = Usual::named("chat-template").expect("one of the list");
        let editing = match read {
            Ok(text) => Setting::usual(usual, text).and_then(|setting| self.set(setting)).err().map(|error| Editing {
                usual,
                text: text.clone(),
                problem: Some(problem(error)),
            }),
            Err(problem) => {
                let problem = Some(format!("The file cannot be read: {problem}."));
                Some(Editing { problem, ..Editing::new(usual, &self.model) })
            }
        };
        self.edit(editing);
    }

    fn remove(&mut self, key: &str) {
        let is_own = self.source.value(key).is_none();
        let removal = Setting::removal(key).ok().filter(|_| !is_own);
        let arch = self.source.hparams.architecture.clone();
        // What no program can do without stays.
        let _ = self.decide(|decision| {
            decision.settings.retain(|of| of.key(&arch) != key);
            decision.settings.extend(removal);
        });
    }

    fn restore(&mut self, key: &str) {
        let arch = self.source.hparams.architecture.clone();
        // It was valid before.
        let _ = self.decide(|decision| {
            decision.settings.retain(|of| of.key(&arch) != key);
            decision.pre_tokenizer.take_if(|_| key == PRE_TOKENIZER);
        });
    }

    /// Makes a change that takes the place of an earlier one of the same key.
    fn set(&mut self, setting: Setting) -> Result<(), EditError> {
        let arch = self.source.hparams.architecture.clone();
        let key = setting.key(&arch);
        // Back to what it was is no change.
        let alone = self.source.edited(std::slice::from_ref(&setting), &Pruning::default())?;
        let is_change = alone.value(&key) != self.source.value(&key);
        self.decide(|decision| {
            decision.settings.retain(|of| of.key(&arch) != key);
            decision.settings.extend(is_change.then_some(setting));
        })
    }

    /// Decides otherwise, as one step, where the model stays valid.
    fn decide(&mut self, change: impl FnOnce(&mut Decision)) -> Result<(), EditError> {
        let mut decision = self.choice.decision().clone();
        change(&mut decision);
        self.model = Arc::new(built(&self.source, &decision)?);
        self.choice.change(&self.model, |now| *now = decision);
        self.sheet.update(&self.model, &self.changed_keys());
        Ok(())
    }

    /// Takes in what came or went by undo or redo.
    pub(super) fn follow_decision(&mut self) {
        if let Ok(built) = built(&self.source, self.choice.decision()) {
            self.model = Arc::new(built);
        }
        self.choice.update(&self.model);
        self.sheet.editing = None;
        self.sheet.update(&self.model, &self.changed_keys());
    }

    /// Takes in the same model with other adapters merged into it, for which the choices stay as they are; false where it
    /// is another, or they do not fit it.
    pub(super) fn rebase(&mut self, source: &Arc<Model>) -> bool {
        let tensors = |model: &Model| model.tensors.iter().map(|tensor| tensor.name.clone()).collect::<Vec<_>>();
        let is_same = self.source.path == source.path && tensors(&self.source) == tensors(source);
        let Some(built) = built(source, self.choice.decision()).ok().filter(|_| is_same) else { return false };
        (self.source, self.model) = (source.clone(), Arc::new(built));
        (self.allows_nonfinite, self.report) = (false, None);
        self.choice.update(&self.model);
        self.sheet.update(&self.model, &self.changed_keys());
        self.set_errors(None);
        self.quality.forget();
        self.keeping = Keeping::new(&self.source);
        self.prompting = self.prompting.of_next();
        // What it looks for or makes meanwhile is of a model that is no longer there.
        self.sizing.forget();
        true
    }

    fn changed_keys(&self) -> Vec<String> {
        self.choice.decision().changed_keys(&self.model.hparams.architecture)
    }
}

/// A model as it would be written with these choices.
fn built(source: &Model, decision: &Decision) -> Result<Model, EditError> {
    let answered = decision.pre_tokenizer.map(|name| source.with_pre_tokenizer(name)).transpose()?;
    answered.as_ref().unwrap_or(source).edited(&decision.settings, &Pruning::default())
}

/// What is wrong, without what was typed.
fn problem(error: EditError) -> String {
    match error {
        EditError::Setting { problem, .. } => format!("It {problem}."),
        other @ (EditError::Pruning { .. } | EditError::PreTokenizer { .. }) => other.to_string(),
    }
}
