//! Which tensors of a plan are searched with importance or chosen by error feedback, and what to say about the others.

use super::fallback::kinds;
use super::{Plan, PlannedTensor, Recipe, RecipeError};
use crate::arch::Tensor;
use crate::feedback;
use crate::model::Model;
use std::collections::HashSet;

/// What llama-imatrix leaves out unless told otherwise, so that its absence is nothing to warn of.
const USUALLY_WITHOUT: &[&str] = &["token_embd.weight", "output.weight"];

/// How far an imatrix reaches in a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Tensors that are searched with importance, in the order of the file.
    pub weighted: Vec<String>,
    /// Tensors that are searched without.
    pub plain: Vec<String>,
    /// Those among them for which an entry would be expected.
    pub missing: Vec<String>,
    /// Entries that the model has no tensor for.
    pub unused: Vec<String>,
}

impl Coverage {
    /// A sentence for each thing that is probably not as it was meant.
    pub fn warnings(&self) -> Vec<String> {
        let sentence = |names: &[String], what: &str, one: &str, more: &str| {
            let they = if names.len() == 1 { one } else { more };
            (!names.is_empty()).then(|| format!("the imatrix {what} {} {they}: {}", names.len(), kinds(names)))
        };
        [
            sentence(
                &self.missing,
                "has no entry for",
                "tensor, whose weights all count the same",
                "tensors, whose weights all count the same",
            ),
            sentence(
                &self.unused,
                "has",
                "entry that the model has no tensor for, so check that it was made with this model",
                "entries that the model has no tensors for, so check that it was made with this model",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Refuses an imatrix or Gram matrices that do not fit the tensors of their names.
pub(super) fn check(recipe: &Recipe, tensors: &[Tensor]) -> Result<(), RecipeError> {
    for tensor in tensors {
        if let Some(imatrix) = &recipe.imatrix {
            imatrix.entry(&tensor.name, &tensor.shape)?;
        }
        if let Some(gram) = &recipe.gram {
            gram.fits(&tensor.name, &tensor.shape).map_err(RecipeError::Gram)?;
        }
    }
    match &recipe.gram {
        Some(gram) if !tensors.iter().any(|tensor| gram.owner(&tensor.name).is_some()) => {
            let problem = "it has no Gram matrix for any of the model's tensors; it was made with another model, so make one \
                           with this model (tuck calibrate --gram)";
            Err(RecipeError::Gram(gram.refuse(problem.to_owned())))
        }
        _ => Ok(()),
    }
}

impl Plan {
    /// Whether there is a search that importance can guide.
    fn searches(&self, tensor: &Tensor, planned: &PlannedTensor) -> bool {
        let is_searched = planned.format.weighted && planned.format != tensor.stored_format();
        is_searched && !self.feeds_back(tensor, planned)
    }

    /// Whether a tensor's blocks are chosen by error feedback.
    pub fn feeds_back(&self, tensor: &Tensor, planned: &PlannedTensor) -> bool {
        let is_known = self.recipe.gram.as_ref().is_some_and(|gram| gram.owner(&tensor.name).is_some());
        is_known && feedback::supports(planned.format) && planned.format != tensor.stored_format()
    }

    /// The share of the weights that are quantized anew whose blocks are chosen by error feedback, if any is.
    pub fn feedback_share(&self, model: &Model) -> Option<f64> {
        let quantized = |(tensor, planned): &(&Tensor, &PlannedTensor)| {
            planned.format != tensor.stored_format() && !planned.format.is_float()
        };
        let tensors = model.tensors.iter().zip(&self.tensors).filter(quantized);
        let (mut fed_back, mut all) = (0, 0);
        for (tensor, planned) in tensors {
            all += tensor.weights();
            fed_back += if self.feeds_back(tensor, planned) { tensor.weights() } else { 0 };
        }
        (fed_back > 0).then(|| fed_back as f64 / all as f64)
    }

    /// How much each column of a tensor counts in its search: a number a column, of one expert after another. None where
    /// the imatrix has no entry, or nothing is searched.
    pub fn importance(&self, tensor: &Tensor, planned: &PlannedTensor) -> Option<&[f32]> {
        let imatrix = self.recipe.imatrix.as_ref().filter(|_| self.searches(tensor, planned))?;
        // Entries that do not fit were refused when the plan was made.
        imatrix.entry(&tensor.name, &tensor.shape).ok().flatten()
    }

    /// How far the recipe's imatrix reaches, if it has one.
    pub fn coverage(&self, model: &Model) -> Option<Coverage> {
        let imatrix = self.recipe.imatrix.as_ref()?;
        let tensors =
            model.tensors.iter().zip(&self.tensors).filter(|(tensor, planned)| self.searches(tensor, planned));
        let (weighted, plain): (_, Vec<_>) =
            tensors.map(|(tensor, _)| tensor.name.clone()).partition(|name| imatrix.columns.contains_key(name));
        let expected = |name: &&String| !USUALLY_WITHOUT.contains(&name.as_str()) && !imatrix.left_out.contains(*name);
        let missing = plain.iter().filter(expected).cloned().collect();
        let names: HashSet<&String> = model.tensors.iter().map(|tensor| &tensor.name).collect();
        let unused = imatrix.columns.keys().filter(|name| !names.contains(name)).cloned().collect();
        Some(Coverage { weighted, plain, missing, unused })
    }
}
