//! What pruning loses before it is measured: by what was measured of other cuts since the model was opened.
//!
//! Of each kind of part (layers, channels, heads, experts, single weights) the loss grows with how much of it goes, by a power law
//! between any two measured amounts, and by the square beyond the outermost. What several kinds and quantization lose is added up.

use super::{Proposal, Pruned};
use crate::engine::Role;
use crate::model::Model;
use crate::prune::{Cut, Layers, Sparsity};
use crate::quant::FormatRef;
use crate::recipe::budget::Point;
use crate::recipe::{Group, PRESETS, Plan, Preset, Recipe};

/// The power with which losses grow beyond what was measured.
const POWER: f64 = 2.0;

/// The KL divergence of a cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// It was measured.
    Measured(f64),
    /// It follows from what was measured of others.
    Predicted(f64),
}

/// The original quantized to no more bytes than what is left of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alone {
    /// Bytes of its file.
    pub bytes: u64,
    /// The type, where nothing is known of mixes yet.
    pub name: Option<&'static str>,
    /// The KL divergence that is predicted for it, where something is.
    pub predicted: Option<f64>,
}

/// A kind of part, and how much of it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Layers,
    Channels,
    Heads,
    Experts,
    /// Zeros of one pattern by one method.
    Weights(Sparsity),
}

/// How much goes of each kind; of layers that were named it is not known what others cost.
fn amounts(cut: &Cut) -> Option<Vec<(Kind, f64)>> {
    let layers = match &cut.layers {
        Layers::None => 0,
        Layers::Auto(count) => *count,
        Layers::These(_) => return None,
    };
    let weights = cut.sparsity.map(|sparsity| (Kind::Weights(sparsity), 1.0));
    let all = [
        (Kind::Layers, layers as f64),
        (Kind::Channels, cut.channels),
        (Kind::Heads, cut.kv_heads as f64),
        (Kind::Experts, cut.experts as f64),
    ];
    Some(all.into_iter().filter(|(_, amount)| *amount > 0.0).chain(weights).collect())
}

/// What a cut loses; none where too little was measured.
pub(super) fn loss(pruned: &[Pruned], proposal: &Proposal) -> Option<Loss> {
    let mean = |pruned: &Pruned, role: Role| Some(pruned.report.compared.of(role)?.divergence.as_ref()?.mean().value);
    if let Some(found) = pruned.iter().find(|pruned| pruned.proposal == *proposal) {
        return mean(found, Role::Pruned).map(Loss::Measured);
    }
    let quantized = |formats: &[u64]| {
        let same = pruned.iter().filter(|pruned| pruned.proposal.formats == formats);
        same.map(|pruned| mean(pruned, Role::Whole).unwrap_or(0.0)).next()
    };
    let mut known: Vec<(Kind, f64, f64)> = Vec::new();
    for one in pruned.iter().filter(|pruned| pruned.proposal.cut.plain == proposal.cut.plain) {
        // What the first rounds of a search came to.
        let rounds = one.report.rounds.iter().filter(|_| matches!(one.proposal.cut.layers, Layers::Auto(_)));
        for (n, round) in rounds.enumerate() {
            let least = round.losses.iter().map(crate::engine::LayerLoss::least).min_by(f64::total_cmp);
            known.extend(least.map(|least| (Kind::Layers, (n + 1) as f64, least)));
        }
        if let Some([(kind, amount)]) = amounts(&one.proposal.cut).as_deref() {
            let own = mean(one, Role::Pruned)? - quantized(&one.proposal.formats).unwrap_or(0.0);
            known.retain(|(of, at, _)| (of, at) != (kind, amount));
            known.push((*kind, *amount, own.max(f64::MIN_POSITIVE)));
        }
    }
    let mut sum = quantized(&proposal.formats)?;
    for (kind, amount) in amounts(&proposal.cut)? {
        let points = known.iter().filter(|(of, ..)| *of == kind).map(|(_, at, loss)| (*at, *loss));
        sum += between(points.collect(), amount)?;
    }
    Some(Loss::Predicted(sum))
}

/// The loss at an amount, of points of amounts and losses.
fn between(mut points: Vec<(f64, f64)>, amount: f64) -> Option<f64> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let after = points.partition_point(|(at, _)| *at < amount);
    let square = |(at, loss): (f64, f64)| loss * (amount / at).powf(POWER);
    Some(match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (None, None) => return None,
        (Some(point), None) | (None, Some(point)) => square(*point),
        (Some((a, low)), Some((b, high))) => low * (amount / a).powf((high / low).ln() / (b / a).ln()),
    })
}

/// Every standard type with blocks, and the bytes of the model's file as it.
pub(super) fn types(model: &Model) -> Vec<(&'static str, u64)> {
    let is_usual = |preset: &&Preset| {
        preset.group != Group::Special && preset.format.is_some_and(|format: FormatRef| !format.is_float())
    };
    let plan = |preset: &'static Preset| Some((preset.name, Plan::new(model, &Recipe::new(preset)).ok()?.file_bytes));
    PRESETS.iter().filter(is_usual).filter_map(plan).collect()
}

/// The original in no more bytes: of the curve where it is known, or else the largest standard type.
pub(super) fn alone(pruned: &[Pruned], types: &[(&'static str, u64)], bytes: u64) -> Option<Alone> {
    let curve = pruned.iter().map(|pruned| &pruned.report.compared.curve).find(|curve| !curve.is_empty());
    if let Some(curve) = curve {
        let Point { bytes, loss } = *curve.iter().take_while(|point| point.bytes <= bytes).last()?;
        return Some(Alone { bytes, name: None, predicted: Some(loss) });
    }
    let (name, bytes) = *types.iter().filter(|(_, own)| *own <= bytes).max_by_key(|(_, own)| *own)?;
    Some(Alone { bytes, name: Some(name), predicted: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_follow_a_power_law_between_what_was_measured() {
        assert_eq!(between(Vec::new(), 1.0), None);
        let points = vec![(2.0, 0.4), (1.0, 0.1)];
        let close = |found: Option<f64>, wanted: f64| assert!((found.unwrap() - wanted).abs() < 1e-12, "{found:?}");
        close(between(points.clone(), 1.0), 0.1);
        close(between(points.clone(), 2.0f64.sqrt()), 0.2);
        close(between(points.clone(), 4.0), 1.6);
        close(between(points, 0.5), 0.025);
        close(between(vec![(0.1, 0.02), (0.2, 0.04)], 0.15), 0.03);
    }

    #[test]
    fn parts_that_were_named_are_not_predicted() {
        assert_eq!(amounts(&Cut { layers: Layers::These(vec![1]), ..Cut::default() }), None);
        let cut = Cut { layers: Layers::Auto(2), channels: 0.1, ..Cut::default() };
        assert_eq!(amounts(&cut), Some(vec![(Kind::Layers, 2.0), (Kind::Channels, 0.1)]));
    }
}
