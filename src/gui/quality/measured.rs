//! A measurement: of what, and its figures in words.

use super::Settings;
use crate::engine::MeasureReport;
use crate::eval::{Divergence, Estimate, Histogram};
use crate::gui::choice::Choice;
use crate::gui::decision::{Asked, Decision};
use crate::recipe::{PRESETS, Plan, Preset, Recipe};
use crate::units;
use std::sync::Arc;

/// What is measured, or answers: a recipe that is not written yet.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The type, and what departs from it; or the mix.
    pub name: String,
    /// The type, or that it is a mix.
    pub short: &'static str,
    /// What it is made of, as far as it changes weights or tokens.
    pub decision: Decision,
    /// For the engine.
    pub recipe: Recipe,
    /// The file it would be.
    pub bytes: u64,
    /// Bits of tensor data for each weight.
    pub bits_per_weight: f64,
}

impl Trial {
    /// What is chosen: the type in view, or the mix.
    pub fn of(choice: &Choice) -> Self {
        let Some(asked) = choice.decision().size else { return Self::new(choice, choice.decision().preset) };
        let Plan { file_bytes, bits_per_weight, ref recipe, .. } = choice.plan;
        let level = asked.level.name();
        let mut name = format!("Mix of {} bytes, {level}", units::grouped(file_bytes));
        name += &overrides(choice.decision());
        Self { name, short: "Mix", decision: key(choice), recipe: recipe.clone(), bytes: file_bytes, bits_per_weight }
    }

    /// Whether the text has to be followed through it first, for that is how it would be packed.
    pub fn follows(&self) -> bool {
        self.recipe.sequence.is_none() && self.recipe.mix.as_ref().is_some_and(|mix| mix.level.follows())
    }

    /// A type with the overrides and the importance matrix of a choice.
    pub fn new(choice: &Choice, preset: &'static Preset) -> Self {
        let decision = weights_of(&Decision { preset, size: None, ..choice.decision().clone() });
        let size = choice.size(preset);
        let mut name = preset.name.to_owned() + &overrides(&decision);
        if decision.imatrix.is_some() {
            name += ", imatrix";
        }
        let recipe = choice.recipe(preset);
        Self {
            name,
            short: preset.name,
            decision,
            recipe,
            bytes: size.file_bytes,
            bits_per_weight: size.bits_per_weight,
        }
    }
}

/// What a name says of overrides.
fn overrides(decision: &Decision) -> String {
    match decision.picks.len() + decision.patterns.iter().filter(|text| !text.trim().is_empty()).count() {
        0 => String::new(),
        1 => ", 1 override".to_owned(),
        n => format!(", {n} overrides"),
    }
}

/// What a choice comes down to: the bytes of a mix are those of its file, whatever was asked for.
pub(super) fn key(choice: &Choice) -> Decision {
    let decision = weights_of(choice.decision());
    match decision.size {
        None => decision,
        Some(asked) => {
            let size = Some(Asked { bytes: choice.plan.file_bytes, ..asked });
            Decision { preset: &PRESETS[0], imatrix: None, size, ..decision }
        }
    }
}

/// A decision without what changes neither weights nor tokens.
fn weights_of(decision: &Decision) -> Decision {
    Decision { ticked: Vec::new(), settings: Vec::new(), ..decision.clone() }
}

/// One figure of a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What experts call it.
    pub label: &'static str,
    /// With its error bar.
    pub value: String,
    /// What it says, in a few words.
    pub about: &'static str,
    /// What it says, in full.
    pub hover: &'static str,
}

/// A measurement.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was measured.
    pub trial: Trial,
    /// On what.
    pub settings: Settings,
    /// What the engine found.
    pub report: Arc<MeasureReport>,
    /// The mean KL divergence.
    pub divergence: Estimate,
    /// For the table.
    pub figures: Vec<Figure>,
    /// Tokens by their KL divergence.
    pub histogram: Histogram,
}

impl Measured {
    /// Of a report.
    pub fn new(trial: Trial, settings: Settings, report: Arc<MeasureReport>) -> Self {
        let divergence = &report.divergence;
        let histogram = Histogram::of(&divergence.divergences);
        Self { trial, settings, divergence: divergence.mean(), figures: figures(divergence), histogram, report }
    }

    /// What most people want to know, in a sentence.
    pub fn sentence(&self) -> String {
        let divergence = &self.report.divergence;
        let same = units::percent(divergence.same_top().value);
        let change = surprise(divergence);
        let perplexity = match change {
            _ if change.value.abs() <= 2.0 * change.error => "not measurably different".to_owned(),
            _ if change.value > 0.0 => format!("{} higher", units::percent(change.value)),
            _ => format!("{} lower", units::percent(-change.value)),
        };
        format!(
            "Its first choice of the next token is the original’s {same} of the time; its perplexity is {perplexity}."
        )
    }
}

/// By how much the perplexity is above the original's, as a share of that. Both are measured on the same tokens, so this is
/// known better than either of them.
fn surprise(divergence: &Divergence) -> Estimate {
    let pairs = divergence.surprises.iter().zip(&divergence.reference);
    let differences: Vec<f64> = pairs.map(|(own, other)| own - other).collect();
    Estimate::mean(&differences).map(f64::exp_m1, f64::exp)
}

fn figures(divergence: &Divergence) -> Vec<Figure> {
    let figure = |label, value, about, hover| Figure { label, value, about, hover };
    let quantiles = divergence.quantiles(&[0.5, 0.99, 0.999]);
    vec![
        figure(
            "Same first choice",
            percent(divergence.same_top()),
            "of tokens have the same favourite",
            "How often it holds the same next token most likely as the original. At 100 % both would write the same.",
        ),
        figure(
            "Perplexity",
            number(divergence.perplexity()),
            "less is better",
            "Among how many tokens the model hesitates, on average, at each step of the text. What counts is how far it is \
             above the original’s; their error bars rise and fall together.",
        ),
        figure(
            "  of the original",
            number(divergence.reference_perplexity().unwrap_or_default()),
            "what it should be",
            "The perplexity of the model as it is, on the same tokens.",
        ),
        figure(
            "KL divergence, mean",
            number(divergence.mean()),
            "0 would be the original",
            "How far its predictions are from the original’s, over all tokens that could come next, in nats. It notices what \
             perplexity does not. Below 0.01 hardly anybody can tell; above 0.1 answers change.",
        ),
        figure(
            "  median",
            number(quantiles[0]),
            "half of the tokens are below",
            "The KL divergence of a token in the middle: half of them have less.",
        ),
        figure(
            "  99 %",
            number(quantiles[1]),
            "one token in 100 is above",
            "The KL divergence that one token in a hundred exceeds: how bad bad moments are.",
        ),
        figure(
            "  99.9 %",
            number(quantiles[2]),
            "one token in 1,000 is above",
            "The KL divergence that one token in a thousand exceeds: how bad the worst moments are.",
        ),
        figure(
            "Change of probability",
            percent(divergence.probability_change()),
            "of the token that came",
            "By how much the probability of the token that really came changes: the root of the mean square, in points.",
        ),
    ]
}

/// `0.02134 ± 0.00081`: as many digits as the error bar tells.
fn number(estimate: Estimate) -> String {
    let digits = digits(estimate.error);
    format!("{:.digits$} ± {:.digits$}", estimate.value, estimate.error)
}

/// `93.1 ± 0.4 %`.
fn percent(estimate: Estimate) -> String {
    let hundred = Estimate { value: 100.0 * estimate.value, error: 100.0 * estimate.error };
    format!("{} %", number(hundred))
}

/// Decimals that show two digits of an error bar.
fn digits(error: f64) -> usize {
    if error > 0.0 && error.is_finite() { (1.0 - error.log10().floor()).clamp(0.0, 7.0) as usize } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_show_what_their_error_bars_tell() {
        let shown = |value, error| number(Estimate { value, error });
        assert_eq!(shown(0.021_341_2, 0.000_812), "0.02134 ± 0.00081");
        assert_eq!(shown(12.345, 0.213), "12.35 ± 0.21");
        assert_eq!(shown(1234.5, 21.3), "1234 ± 21");
        assert_eq!(shown(0.0, 0.0), "0.0 ± 0.0");
        assert_eq!(percent(Estimate { value: 0.931, error: 0.0041 }), "93.10 ± 0.41 %");
    }

    #[test]
    fn surprise_is_measured_token_by_token() {
        let divergence =
            Divergence { surprises: vec![1.1, 5.1, 3.1], reference: vec![1.0, 5.0, 3.0], ..Divergence::default() };
        let change = surprise(&divergence);
        assert!((change.value - 0.1f64.exp_m1()).abs() < 1e-12 && change.error < 1e-12, "{change:?}");
    }
}
