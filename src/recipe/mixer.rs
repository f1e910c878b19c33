//! From what tensors lose to recipes of any size.

use super::budget::{Choice, Curve, Point};
use super::fallback::fall_back;
use super::mix::{Beside, Mix};
use super::{Group, Level, PRESETS, Plan, Prediction, Preset, Recipe, RecipeError, quantizable};
use crate::arch::Tensor;
use crate::imatrix::Identity;
use crate::model::Model;
use crate::quant::{FormatRef, IQ4_NL, IQ4_XS, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
use regex::Regex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a mix is made of unless told otherwise: formats that every backend computes fast.
pub static USUAL_TYPES: &[FormatRef] = &[&Q2_K, &Q3_K, &IQ4_XS, &Q4_K, &Q5_K, &Q6_K, &Q8_0];

/// What stands in for formats of large blocks where these do not divide a tensor's rows.
static SMALL_BLOCKS: &[FormatRef] = &[&Q4_0, &IQ4_NL, &Q4_1, &Q5_0, &Q5_1, &Q8_0];

/// The formats that a tensor may get.
pub fn types_of(tensor: &Tensor, types: &[FormatRef]) -> Vec<FormatRef> {
    let small = SMALL_BLOCKS.iter().filter(|_| types.iter().any(|format| !format.divides(tensor.columns())));
    let mut found: Vec<FormatRef> = Vec::new();
    for format in types.iter().chain(small).copied().filter(|format| format.divides(tensor.columns())) {
        if !found.contains(&format) {
            found.push(format);
        }
    }
    found
}

/// A recipe that a mixer made.
#[derive(Clone, Debug)]
pub struct Mixed {
    /// With its mix.
    pub recipe: Recipe,
    /// The file's bytes, and the KL divergence that was predicted for it.
    pub total: Point,
}

/// A standard recipe beside a mix.
#[derive(Clone, Copy, Debug)]
pub struct Standard {
    /// Which.
    pub preset: &'static Preset,
    /// The file's bytes, and the KL divergence that is predicted for it.
    pub total: Point,
}

/// Makes recipes of any size for one model.
#[derive(Debug)]
pub struct Mixer<'a> {
    model: &'a Model,
    prediction: &'a Prediction,
    /// What a mix is put into.
    base: Recipe,
    level: Level,
    identity: Identity,
    /// Tensors that get the same format, as places in the model's list, and the formats that they may get.
    groups: Vec<(Vec<usize>, Vec<FormatRef>)>,
    curve: Curve,
    header: u64,
    /// Bytes of the file that no mix changes.
    fixed: u64,
}

impl<'a> Mixer<'a> {
    /// For a model of which losses are predicted. Of `base` counts what is said for single tensors, which stays so; `types` are
    /// the formats that the others may get, beside the blocks they have. Tensors of a layer whose names match one of `alike`
    /// get the same format.
    pub fn new(
        model: &'a Model,
        prediction: &'a Prediction,
        base: Recipe,
        (level, identity): (Level, Identity),
        types: &[FormatRef],
        alike: &[Regex],
    ) -> Result<Self, RecipeError> {
        let plan = Plan::new(model, &base)?;
        let header = plan.files[0].header_bytes;
        let mut fixed = header;
        let mut groups: Vec<(Vec<usize>, Vec<FormatRef>)> = Vec::new();
        let mut places: HashMap<(usize, Option<u64>), usize> = HashMap::new();
        for (place, tensor) in model.tensors.iter().enumerate() {
            let options = options(&base, prediction, tensor, types);
            if !base.may_change(tensor) || options.is_empty() {
                fixed += padded(model, plan.tensors[place].bytes);
                continue;
            }
            let same = alike.iter().position(|pattern| pattern.is_match(&tensor.name));
            let known = same.map(|same| *places.entry((same, tensor.layer())).or_insert(groups.len()));
            match known.and_then(|known| groups.get_mut(known)) {
                Some((tensors, common)) => {
                    tensors.push(place);
                    common.retain(|format| options.contains(format));
                }
                None => groups.push((vec![place], options)),
            }
        }
        if let Some((tensors, _)) = groups.iter().find(|(_, formats)| formats.is_empty()) {
            let names: Vec<&str> = tensors.iter().map(|place| model.tensors[*place].name.as_str()).collect();
            return Err(RecipeError::Alike { tensors: names.join(", ") });
        }
        let choice = |tensors: &[usize], format: FormatRef| {
            let tensors = || tensors.iter().map(|place| &model.tensors[*place]);
            Choice {
                bytes: tensors().map(|tensor| padded(model, format.bytes(tensor.weights()))).sum(),
                loss: tensors().filter_map(|tensor| prediction.loss(tensor, format)).sum(),
            }
        };
        let items = groups.iter().map(|(tensors, formats)| formats.iter().map(|of| choice(tensors, of)).collect());
        let curve = Curve::new(items.collect());
        Ok(Self { model, prediction, base, level, identity, groups, curve, header, fixed })
    }

    /// Bytes of a file before its tensors.
    pub fn header_bytes(&self) -> u64 {
        self.header
    }

    /// The fewest bytes of a file.
    pub fn smallest(&self) -> u64 {
        self.fixed + self.curve.smallest()
    }

    /// Bytes of files and the KL divergence predicted for them: where the curve bends, from the smallest to the largest.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        self.curve.points().iter().map(|point| self.of_file(*point))
    }

    fn of_file(&self, point: Point) -> Point {
        Point { bytes: self.fixed + point.bytes, loss: self.prediction.together(point.loss) }
    }

    /// The recipe of least loss for a file of at most so many bytes.
    pub fn solve(&self, budget: u64) -> Result<Mixed, RecipeError> {
        let solution = budget.checked_sub(self.fixed).and_then(|bytes| self.curve.solve(bytes));
        let Some(solution) = solution else {
            return Err(RecipeError::Budget { budget, smallest: self.smallest() });
        };
        let mut formats = BTreeMap::new();
        for ((tensors, options), choice) in self.groups.iter().zip(&solution.choices) {
            formats.extend(tensors.iter().map(|place| (self.model.tensors[*place].name.clone(), options[*choice])));
        }
        let preset = self.nearest(&formats);
        let mix = Mix { formats, level: self.level, identity: Some(self.identity.clone()), beside: Beside::default() };
        let recipe = Recipe { preset, mix: Some(Arc::new(mix)), ..self.base.clone() };
        Ok(Mixed { recipe, total: self.of_file(solution.total) })
    }

    /// The preset that llama.cpp is told: of those with the format that has most bytes, the first.
    fn nearest(&self, formats: &BTreeMap<String, FormatRef>) -> &'static Preset {
        let mut bytes: Vec<(FormatRef, u64)> = Vec::new();
        for tensor in &self.model.tensors {
            let Some(format) = formats.get(&tensor.name) else { continue };
            let own = format.bytes(tensor.weights());
            match bytes.iter_mut().find(|(known, _)| known == format) {
                Some((_, sum)) => *sum += own,
                None => bytes.push((format, own)),
            }
        }
        let most = bytes.iter().max_by_key(|(_, bytes)| *bytes).map(|(format, _)| *format);
        PRESETS.iter().find(|preset| most.is_some() && preset.format == most).unwrap_or(self.base.preset)
    }

    /// The sum of what tensors lose in a plan; none where it has formats that nothing is known of.
    fn sum(&self, plan: &Plan) -> Option<f64> {
        let changed = self.model.tensors.iter().zip(&plan.tensors).filter(|(tensor, _)| quantizable(tensor));
        changed.map(|(tensor, planned)| self.prediction.loss(tensor, planned.format)).sum()
    }

    /// The KL divergence that is predicted for a plan; none where it has formats that nothing is known of.
    pub fn predict(&self, plan: &Plan) -> Option<f64> {
        self.sum(plan).map(|sum| self.prediction.together(sum))
    }

    /// The standard recipes whose formats are all known, from the smallest file to the largest; without error feedback, as they
    /// are packed by their names.
    pub fn standards(&self) -> Vec<Standard> {
        let standard = |preset: &'static Preset| {
            preset.format.filter(|format| !format.is_float() && preset.group != Group::Special)?;
            let plan = Plan::new(self.model, &Recipe { preset, ..self.base.clone() }).ok()?;
            let total = Point { bytes: plan.file_bytes, loss: self.prediction.searched(self.sum(&plan)?) };
            Some(Standard { preset, total })
        };
        let mut standards: Vec<Standard> = PRESETS.iter().filter_map(standard).collect();
        standards.sort_by_key(|standard| standard.total.bytes);
        standards
    }

    /// The most bytes of a file that `fits`, which has to hold for all smaller files too; none where it does for none.
    pub fn largest(&self, fits: impl Fn(&Mixed) -> bool) -> Option<Mixed> {
        let holds = |bytes: u64| self.solve(bytes).ok().filter(&fits);
        let mut least = holds(self.smallest())?;
        let (mut low, mut high) = (self.smallest(), self.points().last()?.bytes + 1);
        if let Some(all) = holds(high) {
            return Some(all);
        }
        // To a thousandth of the file.
        while high - low > low / 1000 + 1 {
            let middle = low + (high - low) / 2;
            match holds(middle) {
                Some(found) => (low, least) = (middle, found),
                None => high = middle,
            }
        }
        Some(least)
    }
}

/// The formats that a tensor may get, of which something is known.
fn options(base: &Recipe, prediction: &Prediction, tensor: &Tensor, types: &[FormatRef]) -> Vec<FormatRef> {
    if let Some(named) = base.named(tensor) {
        return vec![named];
    }
    if let Some(given) = base.given(tensor) {
        return vec![fall_back(tensor, given.format).0];
    }
    let known = |format: &FormatRef| prediction.loss(tensor, format).is_some();
    let mut options: Vec<FormatRef> = types_of(tensor, types).into_iter().filter(known).collect();
    // What is small already loses nothing as it is.
    if !tensor.format.is_float() && !options.contains(&tensor.format) {
        options.push(tensor.format);
    }
    options
}

/// What a tensor takes in the file.
fn padded(model: &Model, bytes: u64) -> u64 {
    bytes.next_multiple_of(model.alignment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Source;

    #[test]
    fn rows_decide_what_a_tensor_may_be() {
        let types = |columns: u64, types: &[FormatRef]| {
            let shape = vec![columns, 2];
            let source = Source::Computed(Vec::new());
            let tensor = Tensor { name: String::new(), stored_name: String::new(), format: &Q8_0, shape, source };
            types_of(&tensor, types).iter().map(|format| format.name).collect::<Vec<_>>()
        };
        assert_eq!(types(512, USUAL_TYPES), ["Q2_K", "Q3_K", "IQ4_XS", "Q4_K", "Q5_K", "Q6_K", "Q8_0"]);
        assert_eq!(types(576, USUAL_TYPES), ["Q8_0", "Q4_0", "IQ4_NL", "Q4_1", "Q5_0", "Q5_1"]);
        assert_eq!(types(576, &[&Q8_0, &Q5_0]), ["Q8_0", "Q5_0"]);
        assert_eq!(types(100, USUAL_TYPES), [""; 0]);
    }
}
