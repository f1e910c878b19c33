//! How large a file is to be.

use super::Mixing;
use super::report::Chosen;
use crate::cli::fit::machines;
use crate::cli::session::{Quit, Session};
use crate::engine::{Command, Computing, EventKind};
use crate::fit::{Fitter, Machine, Settings, Subject};
use crate::imatrix::Statistics;
use crate::model::Model;
use crate::recipe::{Level, Mix, Mixed, Mixer, Plan, Recipe, RecipeError, Split};
use crate::units;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub(in crate::cli) struct Goal {
    /// Choose a type for every tensor so that the file loses least in so many bytes, such as 4.5GB; never more.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, group = "goal")]
    target_size: Option<u64>,
    /// The same by bits of tensor data for each weight, such as 4.2.
    #[arg(long, value_name = "BITS", value_parser = bits, group = "goal")]
    bpw: Option<f64>,
    /// The same for the largest file that fits a machine with its context, as tuck fit knows it; "this" is this one.
    #[arg(long, value_name = "NAME", group = "goal")]
    target: Option<String>,
    /// Tokens of context for --target. Without it 8192, or what the model was made for where that is less.
    #[arg(long, value_name = "TOKENS", requires = "target", value_parser = clap::value_parser!(u64).range(1..=1 << 27))]
    ctx: Option<u64>,
    /// Give every tensor the type that it has in a recipe, as --recipe-out wrote it.
    #[arg(long, value_name = "FILE.toml", group = "goal")]
    recipe: Option<PathBuf>,
    /// Write what was made as a recipe, for --recipe: the type of every tensor, what was pruned, the size of the adapter.
    #[arg(long, value_name = "FILE.toml")]
    pub(in crate::cli) recipe_out: Option<PathBuf>,
    /// Measure the KL divergence of what was chosen, on this text or on the evaluation text of the sample model. What is chosen
    /// with --adapter-rank or --adapter-size, and what was pruned, is measured anyway.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[allow(clippy::option_option, reason = "the flag may be there without a value")]
    pub(in crate::cli) measure: Option<Option<PathBuf>>,
    #[command(flatten)]
    mixing: Mixing,
}

fn bits(text: &str) -> Result<f64, String> {
    let bits: Option<f64> = text.parse().ok();
    bits.filter(|bits| (0.5..=32.0).contains(bits))
        .ok_or_else(|| format!("{text:?} is no number of bits from 0.5 to 32"))
}

impl Goal {
    /// Whether a size was asked for, in any way.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.target_size.is_some() || self.bpw.is_some() || self.target.is_some() || self.recipe.is_some()
    }

    /// What inputs of matrices are like, and what their errors cost.
    pub(in crate::cli) fn statistics(
        &self,
        session: &mut Session,
        model: &Arc<Model>,
        level: Level,
        computing: &Computing,
    ) -> Result<Arc<Statistics>, Quit> {
        let report = self.mixing.statistics(session, model, (Some(level), None), computing)?;
        Ok(Arc::clone(&report.statistics))
    }

    /// The recipe that is to be followed, if one was named.
    pub(in crate::cli) fn given(&self) -> Result<Option<(Recipe, Mix)>, Quit> {
        let given = self.recipe.as_deref().map(Mix::open).transpose();
        given.map_err(|error| Quit::Failed(error.to_string()))
    }

    /// What the model is observed on: a text, and at most so many chunks of it.
    pub(in crate::cli) fn observed_on(&self) -> (Option<PathBuf>, Option<usize>) {
        (self.mixing.text.clone(), self.mixing.chunks)
    }

    /// The recipe for what was asked. What `base` says of single tensors stays so.
    pub(in crate::cli) fn choose(
        &self,
        session: &mut Session,
        model: &Arc<Model>,
        base: (Recipe, Level),
        split: Split,
        computing: &Computing,
    ) -> Result<Chosen, Quit> {
        let mut chosen = self.find(session, model, base, split, computing)?;
        let level = chosen.recipe.mix.as_ref().map_or_else(Level::default, |mix| mix.level);
        let statistics = Arc::clone(&chosen.statistics);
        chosen.recipe =
            self.mixing.follow(session, model, chosen.recipe, (level, &statistics.statistics), computing)?;
        Ok(chosen)
    }

    fn find(
        &self,
        session: &mut Session,
        model: &Arc<Model>,
        (base, level): (Recipe, Level),
        split: Split,
        computing: &Computing,
    ) -> Result<Chosen, Quit> {
        let failed = |error: &dyn std::fmt::Display| Quit::Failed(error.to_string());
        if let Some((recipe, mix)) = self.given()? {
            let (level, identity) = (mix.level, mix.identity.clone());
            let report = self.mixing.statistics(session, model, (None, identity), computing)?;
            let recipe = Recipe { mix: Some(Arc::new(mix)), ..recipe.with_statistics(&report.statistics, level) };
            let recipe = recipe.with_feedback(&report.statistics);
            return Ok(Chosen::given(recipe, report));
        }
        let observed = self.mixing.observe(session, model, level, computing)?;
        let mixer = self.mixing.mixer(model, &observed, base, level).map_err(|error| failed(&error))?;
        let (budget, mixed) = match &self.target {
            Some(name) => (None, self.fitting(session, model, &mixer, name)?),
            None => {
                let budget = self.target_size.unwrap_or_else(|| of_bits(model, &mixer, self.bpw.unwrap_or(32.0)));
                (Some(budget), solve(model, &mixer, budget, split).map_err(|error| failed(&error))?)
            }
        };
        Chosen::new(model, &observed, &mixer, mixed, budget).map_err(|error| failed(&error))
    }

    /// The recipe of the largest file that is fully on a machine.
    fn fitting(&self, session: &mut Session, model: &Arc<Model>, mixer: &Mixer<'_>, name: &str) -> Result<Mixed, Quit> {
        let EventKind::Hardware(hardware) = session.run(Command::ReadHardware)? else {
            return Err(Quit::Failed("the engine gave no list of hardware".to_owned()));
        };
        let found = machines(&hardware, &[name.to_owned()])?;
        let machine: &Machine = match &found[..] {
            [] => return Err(Quit::Failed("nothing is known of this machine; name another --target".to_owned())),
            [machine] => machine,
            several => {
                let names: Vec<&str> = several.iter().map(|machine| machine.name.as_str()).collect();
                return Err(Quit::Failed(format!("{name:?} may be any of {}; name one of them", names.join(", "))));
            }
        };
        let usual = Settings::default().context;
        let context =
            self.ctx.unwrap_or(if model.hparams.context > 0 { usual.min(model.hparams.context) } else { usual });
        let settings = Settings { context, ..Settings::default() };
        let fits = |mixed: &Mixed| {
            let plan = Plan::new(model, &mixed.recipe);
            plan.is_ok_and(|plan| Fitter::new(&Subject::planned(model, &plan), settings).fits_fully(machine))
        };
        mixer.largest(fits).ok_or_else(|| {
            Quit::Failed(format!(
                "even the smallest file of these types, of {} bytes, does not fit {} with {} tokens of context; ask for less \
                 context, or allow smaller types (--types)",
                units::grouped(mixer.smallest()),
                machine.name,
                units::grouped(context)
            ))
        })
    }
}

/// The recipe of least loss for files of at most so many bytes together.
fn solve(model: &Model, mixer: &Mixer<'_>, budget: u64, split: Split) -> Result<Mixed, RecipeError> {
    let mut asked = budget;
    loop {
        let mixed = mixer.solve(asked).map_err(|error| match error {
            RecipeError::Budget { smallest, .. } => RecipeError::Budget { budget, smallest: smallest + budget - asked },
            other => other,
        })?;
        // Each further file has a header of its own.
        let bytes = Plan::new(model, &mixed.recipe)?.split(model, split)?.file_bytes;
        match bytes.checked_sub(budget) {
            None | Some(0) => return Ok(mixed),
            Some(over) => asked = asked.saturating_sub(over),
        }
    }
}

/// The bytes of a file with so many bits of tensor data for each weight.
fn of_bits(model: &Model, mixer: &Mixer<'_>, bits: f64) -> u64 {
    let weights: u64 = model.tensors.iter().map(|tensor| tensor.weights()).sum();
    mixer.header_bytes() + (weights as f64 * bits / 8.0) as u64
}
