//! What the fit tab shows: on which machines the model fits, run as the user sets it. Plain data, reckoned anew at each
//! change of the model, the recipe or a setting.

use super::decision::Decision;
use super::state::Opened;
use crate::engine::{Hardware, JobId};
use crate::fit::{
    Answer, Candidate, Fitter, Launch, Machine, Settings, Subject, USUAL_TARGETS, candidates, largest_type,
};
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{PRESETS, Plan, Preset};
use rayon::prelude::*;
use std::sync::Arc;

/// Contexts that the inverse question offers.
pub(super) const CONTEXTS: [u64; 7] = [4096, 8192, 16384, 32768, 65536, 131_072, 262_144];
/// Contexts of models that do not say what they were made for end here.
const LONGEST: u64 = 131_072;
/// What a slider can be moved to.
pub(super) const SHORTEST: u64 = 512;
pub(super) const MOST_SEQUENCES: u64 = 32;

/// A change the user makes there.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Tokens of context.
    Context(u64),
    /// Sequences side by side.
    Sequences(u64),
    /// The type of cached keys.
    Keys(FormatRef),
    /// The type of cached values.
    Values(FormatRef),
    /// With or without flash attention.
    FlashAttention(bool),
    /// Type into the search for machines.
    Find(String),
    /// Look at a machine, by its name.
    Add(String),
    /// Look at it no longer.
    Remove(String),
    /// Ask for the largest type on this machine.
    AskMachine(String),
    /// Ask for the largest type with this context.
    AskContext(u64),
}

impl Change {
    /// What buttons call it.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Context(_) => "Context".to_owned(),
            Self::Sequences(_) => "Parallel sequences".to_owned(),
            Self::Keys(format) | Self::Values(format) => format.name.to_owned(),
            Self::FlashAttention(_) => "Flash attention".to_owned(),
            Self::Find(_) => "Find a machine".to_owned(),
            Self::Add(name) | Self::AskMachine(name) => name.clone(),
            Self::Remove(name) => format!("Remove {name}"),
            Self::AskContext(context) => crate::units::grouped(*context),
        }
    }
}

/// The fit tab.
#[derive(Debug, Default)]
pub struct Fitting {
    /// The job that reads what there is.
    pub reading: Option<JobId>,
    /// This machine and the others; none until it is known.
    pub hardware: Option<Arc<Hardware>>,
    /// How the model is run.
    pub settings: Settings,
    /// Machines to look at besides this one, by name.
    pub chosen: Vec<String>,
    /// Part of the names of machines to choose from.
    pub find: String,
    /// The inverse question: machine and context.
    pub question: (String, u64),
    /// What comes of it: this machine first.
    pub rows: Vec<Row>,
    /// The answer to the inverse question, with the file's size.
    pub largest: Option<(&'static Preset, u64)>,
    /// Why llama.cpp would not run the model so.
    pub problem: Option<&'static str>,
    /// Every type, and what it was made from.
    candidates: Option<(Arc<Model>, Decision, Vec<Candidate>)>,
}

/// What comes of a machine.
#[derive(Clone, Debug)]
pub struct Row {
    /// The machine.
    pub machine: Machine,
    /// Where what lies there.
    pub answer: Answer,
    /// Layers that can be on GPUs.
    pub layers: u64,
    /// What to tell the programs.
    pub launch: Launch,
}

/// Machines, and how the model is run on them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Runs {
    machines: Vec<Machine>,
    settings: Settings,
}

/// What comes of each machine.
pub(super) fn rows(model: &Model, plan: &Plan, Runs { machines, settings }: &Runs) -> Vec<Row> {
    let subject = Subject::planned(model, plan);
    let fitter = Fitter::new(&subject, *settings);
    let file = model.default_file_name(plan.recipe.name());
    let row = |machine: &Machine| {
        let answer = fitter.answer(machine);
        let launch = Launch::new(&file, &subject, settings, &answer.spread);
        Row { machine: machine.clone(), answer, layers: subject.placeable(), launch }
    };
    machines.par_iter().map(row).collect()
}

impl Fitting {
    /// What is in sight; none until it is known which machines there are.
    pub(super) fn runs(&self) -> Option<Runs> {
        let hardware = self.hardware.as_ref()?;
        let chosen = self.chosen.iter().filter_map(|name| machine(hardware, name));
        let machines = hardware.this.iter().chain(chosen).cloned().collect();
        Some(Runs { machines, settings: self.settings })
    }

    /// This machine or a target, by its whole name.
    pub(super) fn machine(&self, name: &str) -> Option<Machine> {
        machine(self.hardware.as_ref()?, name).cloned()
    }

    /// Takes in the machines that there are.
    pub fn set_hardware(&mut self, hardware: Arc<Hardware>) {
        if self.chosen.is_empty() {
            self.chosen = USUAL_TARGETS.iter().map(|name| (*name).to_owned()).collect();
        }
        self.question = (hardware.this.as_ref().map_or(USUAL_TARGETS[0], |this| &this.name).to_owned(), CONTEXTS[1]);
        self.hardware = Some(hardware);
    }

    /// The largest context of the slider.
    pub fn longest(model: &Model) -> u64 {
        let trained = model.hparams.context;
        if trained > 0 { trained.max(SHORTEST) } else { LONGEST }
    }

    /// Carries out a change.
    pub(super) fn change(&mut self, change: Change) {
        let settings = &mut self.settings;
        match change {
            Change::Context(context) => settings.context = context.max(1),
            Change::Sequences(sequences) => settings.sequences = sequences.clamp(1, MOST_SEQUENCES),
            Change::Keys(format) => settings.keys = format,
            Change::Values(format) => settings.values = format,
            Change::FlashAttention(yes) => settings.flash_attention = yes,
            Change::Find(text) => self.find = text,
            Change::Add(name) => {
                self.find.clear();
                if !self.chosen.contains(&name) {
                    self.chosen.insert(0, name);
                }
            }
            Change::Remove(name) => self.chosen.retain(|of| *of != name),
            Change::AskMachine(name) => self.question.0 = name,
            Change::AskContext(context) => self.question.1 = context,
        }
    }

    /// Reckons anew.
    pub(super) fn update(&mut self, opened: &Opened) {
        let Some(hardware) = self.hardware.clone() else { return };
        let (model, plan) = (&opened.model, &opened.choice.plan);
        self.settings.context = self.settings.context.clamp(SHORTEST.min(Self::longest(model)), Self::longest(model));
        self.problem = self.settings.problem(Subject::planned(model, plan).is_latent());
        self.rows = self.runs().map(|runs| rows(model, plan, &runs)).unwrap_or_default();
        self.answer_question(opened, &hardware);
    }

    fn answer_question(&mut self, opened: &Opened, hardware: &Hardware) {
        let decision =
            Decision { preset: &PRESETS[0], ticked: Vec::new(), size: None, ..opened.choice.decision().clone() };
        let known = self.candidates.as_ref();
        if known.is_none_or(|(model, of, _)| !Arc::ptr_eq(model, &opened.model) || *of != decision) {
            let recipe = opened.choice.recipe(&PRESETS[0]);
            self.candidates = Some((opened.model.clone(), decision, candidates(&opened.model, &recipe, 0)));
        }
        let settings = Settings { context: self.question.1, ..self.settings };
        let found = self.candidates.as_ref().zip(machine(hardware, &self.question.0));
        let largest = found.and_then(|((_, _, candidates), machine)| largest_type(candidates, machine, &settings));
        self.largest = largest.map(|candidate| (candidate.preset, candidate.file_bytes));
    }
}

/// This machine or a target, by its whole name.
fn machine<'a>(hardware: &'a Hardware, name: &str) -> Option<&'a Machine> {
    let targets = hardware.targets.iter().map(|target| &target.machine);
    hardware.this.iter().chain(targets).find(|machine| machine.name == name)
}
