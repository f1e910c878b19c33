//! What a plan's owner should know before packing.

use super::mixture::Part;
use super::{Plan, Recipe};
use crate::arch::Tensor;
use crate::quant::{FormatRef, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_XXS, Q2_K};

/// Formats of so few levels that a search needs to know which columns count; llama-quantize refuses them without.
static NEED_IMATRIX: &[FormatRef] = &[&IQ3_XXS, &IQ2_S, &IQ2_XS, &IQ2_XXS, &IQ1_M, &IQ1_S];

/// Sentences about what a recipe does to these tensors, which become `formats`.
pub(super) fn warnings(recipe: &Recipe, tensors: &[Tensor], formats: &[FormatRef]) -> Vec<String> {
    let computed: Vec<(&Tensor, FormatRef)> =
        tensors.iter().zip(formats.iter().copied()).filter(|(tensor, to)| tensor.stored_format() != *to).collect();
    [second_loss(&computed, tensors.len()), without_importance(recipe, &computed), without_effect(recipe, tensors)]
        .into_iter()
        .flatten()
        .collect()
}

impl Plan {
    /// What the owner of several plans should know; what is the same for several of them once.
    pub fn warnings_of<'a>(plans: impl IntoIterator<Item = &'a Self>) -> Vec<String> {
        let mut warnings: Vec<(Vec<&str>, &String)> = Vec::new();
        let mut count = 0;
        for plan in plans {
            count += 1;
            for warning in &plan.warnings {
                match warnings.iter_mut().find(|(_, known)| *known == warning) {
                    Some((names, _)) => names.push(plan.recipe.name()),
                    None => warnings.push((vec![plan.recipe.name()], warning)),
                }
            }
        }
        let show = |(names, warning): (Vec<&str>, &String)| match count {
            1 => warning.clone(),
            _ => format!("{}: {warning}", names.join(", ")),
        };
        warnings.into_iter().map(show).collect()
    }
}

fn second_loss(computed: &[(&Tensor, FormatRef)], all: usize) -> Option<String> {
    let again = computed.iter().filter(|(tensor, _)| tensor.file_format().is_some_and(|from| !from.is_float())).count();
    (again > 0).then(|| {
        format!(
            "{again} of {all} tensors are already quantized and are quantized again, which adds a second loss to the first; \
             start from the original F16 or BF16 model if you can"
        )
    })
}

fn without_importance(recipe: &Recipe, computed: &[(&Tensor, FormatRef)]) -> Option<String> {
    let is_q2_k_s = recipe.preset.needs_imatrix && recipe.preset.format == Some(&Q2_K);
    let has_none = |name: &str| {
        recipe.imatrix.as_ref().is_none_or(|imatrix| !imatrix.columns.contains_key(name))
            && recipe.gram.as_ref().is_none_or(|gram| gram.owner(name).is_none())
    };
    let poor: Vec<FormatRef> = computed
        .iter()
        .filter(|(_, to)| NEED_IMATRIX.contains(to) || (is_q2_k_s && **to == Q2_K))
        .filter(|(tensor, _)| {
            !matches!(Part::of(&tensor.name), Part::Output | Part::TokenEmbd) && has_none(&tensor.name)
        })
        .map(|(_, to)| *to)
        .collect();
    let mut names: Vec<&str> = poor.iter().map(|format| format.name).collect();
    names.sort_unstable();
    names.dedup();
    let lack = match &recipe.imatrix {
        None => " without an importance matrix".to_owned(),
        Some(imatrix) => format!(", and {} says nothing about them", imatrix.path.display()),
    };
    (!poor.is_empty()).then(|| {
        format!(
            "{} tensors become {}{lack}, so the model will be far worse than it could be; use one that was gathered from \
             this model, or choose a larger type",
            poor.len(),
            names.join(" and ")
        )
    })
}

fn without_effect(recipe: &Recipe, tensors: &[Tensor]) -> Option<String> {
    let is_tied = !tensors.iter().any(|tensor| Part::of(&tensor.name) == Part::Output);
    let mixes = !recipe.pure && recipe.preset.format.is_some_and(|format| !format.is_float());
    (is_tied && (recipe.leave_output || (recipe.output.is_some() && !mixes))).then(|| {
        "this model has no output.weight, for its token embedding serves as output, so what was asked for the output has \
         no effect; ask it for the token embedding"
            .to_owned()
    })
}
