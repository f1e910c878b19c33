//! Automatic mixes on the command line: statistics are made or found, and a recipe is chosen by size.

pub(super) mod goal;
pub(super) mod report;

use super::session::{Quit, Session};
use crate::engine::{
    Command, Computing, EventKind, MeasureReport, MeasureRequest, SequenceRequest, StatisticsReport, StatisticsRequest,
};
use crate::imatrix::{Identity, Statistics};
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{Level, Mixer, Prediction, Recipe, RecipeError, USUAL_TYPES, named_format};
use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every automatic mix can be told.
#[derive(clap::Args)]
pub(super) struct Mixing {
    /// The text that the model is observed on, as for tuck calibrate. Without it, one that comes with Tuck.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// At most so many chunks of the text, of 512 tokens each.
    #[arg(long, value_name = "COUNT")]
    chunks: Option<usize>,
    /// The file of what was observed, which is made where it is not there. Without it, one in Tuck's cache folder, for
    /// this model and text.
    #[arg(long, value_name = "FILE.gguf")]
    statistics: Option<PathBuf>,
    /// The types that a mix may have, with commas between them. Without it Q2_K, Q3_K, IQ4_XS, Q4_K, Q5_K, Q6_K and Q8_0.
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', value_parser = block_format)]
    types: Vec<FormatRef>,
    /// Tensors of a layer whose names match this regular expression get the same type, such as 'attn_[qkv]\.'. Can be given
    /// again.
    #[arg(long, value_name = "PATTERN")]
    alike: Vec<Regex>,
}

fn block_format(name: &str) -> Result<FormatRef, String> {
    let format = named_format(name).map_err(|error| error.to_string())?;
    match format.is_float() {
        true => Err(format!("{format} stores weights one by one; name types with blocks")),
        false => Ok(format),
    }
}

/// What mixes of a model are chosen by.
pub(super) struct Observed {
    pub(super) report: Arc<StatisticsReport>,
    pub(super) prediction: Prediction,
}

impl Mixing {
    fn types(&self) -> &[FormatRef] {
        if self.types.is_empty() { USUAL_TYPES } else { &self.types }
    }

    /// Finds or makes statistics: what a level of effort needs, or, for a recipe that is there already, those that it rests on.
    fn statistics(
        &self,
        session: &mut Session,
        model: &Arc<Model>,
        (level, expected): (Option<Level>, Option<Identity>),
        computing: &Computing,
    ) -> Result<Arc<StatisticsReport>, Quit> {
        let request = StatisticsRequest {
            model: Arc::clone(model),
            text: self.text.clone(),
            chunks: self.chunks,
            level,
            types: self.types().to_vec(),
            path: self.statistics.clone(),
            expected,
            computing: computing.clone(),
        };
        // What came before a cancel stays in the file.
        let end = session.run(Command::Statistics(request)).map_err(|quit| match quit {
            Quit::Cancelled => Quit::Paused,
            other => other,
        });
        match end? {
            EventKind::Statistics(report) => Ok(report),
            _ => Err(Quit::Failed("the engine gave no statistics".to_owned())),
        }
    }

    /// Finds or makes what a level of effort chooses by.
    pub(super) fn observe(
        &self,
        session: &mut Session,
        model: &Arc<Model>,
        level: Level,
        computing: &Computing,
    ) -> Result<Observed, Quit> {
        let report = self.statistics(session, model, (Some(level), None), computing)?;
        let prediction = Prediction::new(&report.statistics, level.is_measured(), true);
        Ok(Observed { report, prediction })
    }

    /// Follows the text through what a recipe makes of a model, where a level of effort says so.
    pub(super) fn follow(
        &self,
        session: &mut Session,
        model: &Arc<Model>,
        recipe: Recipe,
        (level, statistics): (Level, &Statistics),
        computing: &Computing,
    ) -> Result<Recipe, Quit> {
        if !level.follows() {
            return Ok(recipe);
        }
        let request = SequenceRequest {
            model: Arc::clone(model),
            recipe: recipe.clone(),
            text: self.text.clone(),
            chunks: self.chunks,
            folder: statistics.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned(),
            computing: computing.clone(),
        };
        match session.run(Command::Sequence(request))? {
            EventKind::Sequenced(gram) => Ok(Recipe { sequence: Some(gram), ..recipe }),
            _ => Err(Quit::Failed("the engine gave no Gram matrices".to_owned())),
        }
    }

    /// Makes recipes by size; what `base` says of single tensors stays so.
    pub(super) fn mixer<'a>(
        &self,
        model: &'a Model,
        observed: &'a Observed,
        base: Recipe,
        level: Level,
    ) -> Result<Mixer<'a>, RecipeError> {
        let statistics = &observed.report.statistics;
        let base = base.with_statistics(statistics, level).with_feedback(statistics);
        let made = (level, statistics.identity.clone());
        Mixer::new(model, &observed.prediction, base, made, self.types(), &self.alike)
    }
}

/// Measures what a recipe makes of a model, on a text that is not that of the statistics unless told so.
pub(super) fn measure(
    session: &mut Session,
    model: &Arc<Model>,
    recipe: &Recipe,
    text: Option<&Path>,
    computing: &Computing,
) -> Result<Arc<MeasureReport>, Quit> {
    let request = MeasureRequest {
        candidate: Arc::clone(model),
        recipe: Some(recipe.clone()),
        reference: Some(Arc::clone(model)),
        text: text.map(Path::to_owned),
        context: model.hparams.context.min(512) as usize,
        chunks: None,
        computing: computing.clone(),
    };
    match session.run(Command::Measure(request))? {
        EventKind::Measured(report) => Ok(report),
        _ => Err(Quit::Failed("the engine gave no report".to_owned())),
    }
}
