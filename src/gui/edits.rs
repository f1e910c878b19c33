//! Changes to the opened model's metadata, each a step that can be undone.

use super::action::Action;
use super::metadata::Editing;
use super::state::Opened;
use crate::model::{EditError, Pruning, Setting, Usual, UsualKind};
use std::sync::Arc;

impl Opened {
    /// Carries out an action of the metadata tab; false where it is none.
    pub(super) fn perform_edit(&mut self, action: &Action) -> bool {
        match action {
            Action::Turn(page) => self.sheet.page = *page,
            Action::FilterMetadata(text) => {
                text.clone_into(&mut self.sheet.filter);
                self.sheet.list(&self.model, &self.choice.decision().settings);
            }
            Action::UnfoldFinding(place) => {
                self.sheet.unfolded = Some(*place).filter(|place| self.sheet.unfolded != Some(*place));
            }
            Action::Fix(place) => {
                let fix = self.sheet.findings.get(*place).and_then(|finding| finding.fix.clone());
                // What the lint proposes fits the model.
                let _ = fix.map(|fix| self.set(fix));
            }
            Action::EditValue(usual) => self.sheet.editing = Some(Editing::new(usual, &self.model)),
            Action::TypeValue(text) => {
                if let Some(editing) = &mut self.sheet.editing {
                    text.clone_into(&mut editing.text);
                    editing.problem = None;
                }
            }
            Action::SetValue => self.set_typed(),
            Action::LeaveValue => self.sheet.editing = None,
            Action::RemoveValue(key) => self.remove(key),
            Action::RestoreValue(key) => self.change(|settings, arch| settings.retain(|of| of.key(arch) != *key)),
            Action::UseTemplate(read) => self.use_template(read),
            Action::Preview(example) => {
                self.sheet.example = *example;
                self.sheet.render(&self.model);
            }
            _ => return false,
        }
        true
    }

    fn set_typed(&mut self) {
        let Some(mut editing) = self.sheet.editing.take() else { return };
        let key = editing.usual.key(&self.model.hparams.architecture);
        let is_removal = editing.text.trim().is_empty() && editing.usual.kind != UsualKind::Count;
        let result = match is_removal {
            true => {
                self.remove(&key);
                Ok(())
            }
            false => Setting::usual(editing.usual, &editing.text).and_then(|setting| self.set(setting)),
        };
        if let Err(error) = result {
            editing.problem = Some(problem(error));
            self.sheet.editing = Some(editing);
        }
    }

    fn use_template(&mut self, read: &Result<String, String>) {
        let usual = Usual::named("chat-template").expect("one of the list");
        let set = match read {
            Ok(text) => Setting::usual(usual, text).and_then(|setting| self.set(setting)).map_err(problem),
            Err(problem) => Err(format!("The file cannot be read: {problem}.")),
        };
        let problem = set.err();
        self.sheet.editing = problem.map(|problem| Editing { usual, text: String::new(), problem: Some(problem) });
    }

    fn remove(&mut self, key: &str) {
        let is_own = self.source.value(key).is_none();
        let removal = Setting::removal(key).ok().filter(|_| !is_own);
        self.change(|settings, arch| {
            settings.retain(|of| of.key(arch) != key);
            settings.extend(removal);
        });
    }

    /// Makes a change that takes the place of an earlier one of the same key.
    fn set(&mut self, setting: Setting) -> Result<(), EditError> {
        let arch = &self.source.hparams.architecture;
        let key = setting.key(arch);
        let mut settings = self.choice.decision().settings.clone();
        settings.retain(|of| of.key(arch) != key);
        let before = self.source.value(&key);
        // Back to what it was is no change.
        if self.source.edited(std::slice::from_ref(&setting), &Pruning::default())?.value(&key) != before {
            settings.push(setting);
        }
        self.source.edited(&settings, &Pruning::default())?;
        self.change(|changed, _| *changed = settings);
        Ok(())
    }

    /// Changes the settings as one step, where the model stays valid.
    fn change(&mut self, change: impl FnOnce(&mut Vec<Setting>, &str)) {
        let mut settings = self.choice.decision().settings.clone();
        change(&mut settings, &self.source.hparams.architecture);
        let Ok(edited) = self.source.edited(&settings, &Pruning::default()) else { return };
        self.model = Arc::new(edited);
        self.choice.change(&self.model, |decision| decision.settings = settings);
        self.sheet.update(&self.model, &self.choice.decision().settings);
    }

    /// Takes in settings that came or went by undo or redo.
    pub(super) fn follow_settings(&mut self) {
        if let Ok(edited) = self.source.edited(&self.choice.decision().settings, &Pruning::default()) {
            self.model = Arc::new(edited);
        }
        self.choice.update(&self.model);
        self.sheet.editing = None;
        self.sheet.update(&self.model, &self.choice.decision().settings);
    }
}

/// What is wrong, without what was typed.
fn problem(error: EditError) -> String {
    match error {
        EditError::Setting { problem, .. } => format!("It {problem}."),
        other @ (EditError::Pruning { .. } | EditError::PreTokenizer { .. }) => other.to_string(),
    }
}
