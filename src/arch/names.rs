//! Names of stored tensors: what is around them, and which of them a GGUF file does without.

use super::{Arch, Config, Hparams};
use crate::checkpoint::{Checkpoint, OpenError, StoredTensor};
use std::collections::HashMap;

/// Around the names of a model's tensors, and saying nothing: what they are depends on how it was saved.
const WRAPPERS: &[&str] = &[
    "model.",
    "language_model.",
    "text_model.",
    "transformer.",
    "gpt_neox.",
    "encoder.",
    "bert.",
    "roberta.",
    "distilbert.",
];

/// Tables and masks that a runtime computes itself.
const COMPUTED_AGAIN: &[&str] =
    &[".rotary_emb.inv_freq", ".masked_bias", ".attention.bias", ".attn.bias", "position_ids"];

/// In the names of tensors that see or hear.
pub(super) const OTHER_SENSES: &[&str] = &[
    "vision",
    "visual",
    "audio",
    "projector",
    "image_newline",
    "view_seperator",
    "patch_embed",
    "patch_merge",
    "connector.",
    "merger.",
    "vit.",
    "vpm.",
    "resampler.",
    "talker.",
    "token2wav.",
    "code2wav.",
];

/// The stored tensors by their names without wrappers, and which of them were taken.
pub(super) struct Names<'a> {
    stored: HashMap<String, (&'a StoredTensor, bool)>,
}

impl<'a> Names<'a> {
    pub(super) fn of(checkpoint: &'a Checkpoint) -> Result<Self, OpenError> {
        let mut stored = HashMap::with_capacity(checkpoint.tensors.len());
        for tensor in &checkpoint.tensors {
            if let Some((other, _)) = stored.insert(plain(&tensor.name), (tensor, false)) {
                let problem = format!(
                    "the tensors {} and {} are the same part of a model; remove the file that does not belong",
                    other.name, tensor.name
                );
                return Err(OpenError::new(&checkpoint.files[tensor.file].path, problem));
            }
        }
        Ok(Self { stored })
    }

    /// The tensor of this name. Several rules may take parts of it.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a StoredTensor> {
        let (tensor, taken) = self.stored.get_mut(name)?;
        *taken = true;
        Some(tensor)
    }
}

/// A name without what is around it.
pub(super) fn plain(name: &str) -> String {
    let mut rest = name;
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = inner;
    }
    // Older ways to say weight and bias of a norm.
    let renamed = |old: &str, new: &str| rest.strip_suffix(old).map(|start| format!("{start}{new}"));
    renamed(".gamma", ".weight").or_else(|| renamed(".beta", ".bias")).unwrap_or_else(|| rest.to_owned())
}

/// Refuses tensors that no rule took, but for those that are known to be of no use. Returns what a person should know.
pub(super) fn left_out(
    checkpoint: &Checkpoint,
    names: &Names<'_>,
    arch: &Arch,
    config: &Config<'_>,
    hparams: &Hparams,
) -> Result<Vec<String>, OpenError> {
    let predicting = config.count("num_nextn_predict_layers")?.unwrap_or(0);
    let predicting = hparams.layers..hparams.layers + predicting;
    let (mut senses, mut predictions) = (0, 0);
    for stored in &checkpoint.tensors {
        let name = plain(&stored.name);
        let has = |parts: &[&str]| parts.iter().any(|part| stored.name.contains(part));
        let is_taken = names.stored.get(&name).is_some_and(|(_, taken)| *taken);
        let layer = name.strip_prefix(arch.layers).and_then(|rest| rest.strip_prefix('.'));
        let layer = layer.and_then(|rest| rest.split('.').next()?.parse().ok());
        if is_taken || has(COMPUTED_AGAIN) || has(arch.dropped) {
            continue;
        } else if has(OTHER_SENSES) {
            senses += 1;
        } else if layer.is_some_and(|layer| predicting.contains(&layer)) {
            predictions += 1;
        } else {
            let rules = arch.outside.iter().chain(arch.layer).copied().flatten();
            let known = rules.map(|rule| rule.from).collect::<Vec<_>>().join(", ");
            let problem = format!(
                "the tensor {} is not one that a {} model of {} layers has; known are {known}; the config may belong to \
                 another model",
                stored.name, arch.title, hparams.layers
            );
            return Err(OpenError::new(&checkpoint.files[stored.file].path, problem));
        }
    }
    let notes = [
        (senses, "tensors that see or hear are left out, so the file will hold the language model only"),
        (predictions, "tensors of layers that predict further tokens are left out, for llama.cpp does not use them"),
    ];
    let notes = notes.into_iter().filter(|(count, _)| *count > 0);
    Ok(notes.map(|(count, what)| format!("{count} {what}")).collect())
}
