//! Which tensors of a plan are searched with importance, and what to say about the others.

use super::fallback::kinds;
use super::{Plan, PlannedTensor, Recipe};
use crate::arch::Tensor;
use crate::imatrix::ImatrixError;
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

/// Refuses an imatrix whose entries do not fit the tensors of their names.
pub(super) fn check(recipe: &Recipe, tensors: &[Tensor]) -> Result<(), ImatrixError> {
    let Some(imatrix) = &recipe.imatrix else { return Ok(()) };
    tensors.iter().try_for_each(|tensor| imatrix.entry(&tensor.name, &tensor.shape).map(drop))
}

/// Whether there is a search that importance can guide.
fn searched(tensor: &Tensor, planned: &PlannedTensor) -> bool {
    planned.format.weighted && planned.format != tensor.stored_format()
}

impl Plan {
    /// How much each column of a tensor counts in its search: a number a column, of one expert after another. None where
    /// the imatrix has no entry, or nothing is searched.
    pub fn importance(&self, tensor: &Tensor, planned: &PlannedTensor) -> Option<&[f32]> {
        let imatrix = self.recipe.imatrix.as_ref().filter(|_| searched(tensor, planned))?;
        // Entries that do not fit were refused when the plan was made.
        imatrix.entry(&tensor.name, &tensor.shape).ok().flatten()
    }

    /// How far the recipe's imatrix reaches, if it has one.
    pub fn coverage(&self, model: &Model) -> Option<Coverage> {
        let imatrix = self.recipe.imatrix.as_ref()?;
        let tensors = model.tensors.iter().zip(&self.tensors).filter(|(tensor, planned)| searched(tensor, planned));
        let (weighted, plain): (_, Vec<_>) =
            tensors.map(|(tensor, _)| tensor.name.clone()).partition(|name| imatrix.columns.contains_key(name));
        let expected = |name: &&String| !USUALLY_WITHOUT.contains(&name.as_str()) && !imatrix.left_out.contains(*name);
        let missing = plain.iter().filter(expected).cloned().collect();
        let names: HashSet<&String> = model.tensors.iter().map(|tensor| &tensor.name).collect();
        let unused = imatrix.columns.keys().filter(|name| !names.contains(name)).cloned().collect();
        Some(Coverage { weighted, plain, missing, unused })
    }
}
