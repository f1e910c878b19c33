//! The tensors of a GGUF file, checked against the family's tables where Tuck knows the family.

use super::map::{Mapped, check_shape, missing, sort};
use super::rule::Wanted;
use super::source::{Source, Tensor};
use super::{Arch, Dim, Hparams};
use crate::checkpoint::{Checkpoint, OpenError, Position};
use std::collections::{HashMap, HashSet};

/// Tensors that are computed from the settings, in any family.
const COMPUTED: &[&str] = &["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/// Takes the tensors of a GGUF file: names and formats stay, order becomes that of llama-quantize.
///
/// A family that Tuck does not know, and tensors that it does not know in one that it does, are kept as they are, with a
/// note: recipes go by names that all families share.
pub fn map_gguf(checkpoint: &Checkpoint, hparams: &Hparams) -> Result<Mapped, OpenError> {
    let mut tensors = Vec::with_capacity(checkpoint.tensors.len());
    for stored in &checkpoint.tensors {
        let format = stored.format(&checkpoint.files[stored.file].path)?;
        tensors.push(Tensor {
            name: stored.name.clone(),
            stored_name: stored.name.clone(),
            shape: stored.shape.clone(),
            format,
            source: Source::whole(Position::of(stored), format, stored.weights()),
        });
    }
    sort(&mut tensors);
    let notes = match hparams.arch {
        Some(arch) => check(checkpoint, arch, hparams)?,
        None => vec![format!(
            "its family, {}, is unknown to this version of Tuck, so its tensors are not checked, and their types are chosen \
             by their names alone",
            hparams.architecture
        )],
    };
    Ok((tensors, notes))
}

/// Compares the tensors with the family's tables. Tensors that are not in them are no error, for llama.cpp keeps finding
/// new ways to write a family down; then others may have taken the place of those that are missing.
fn check(checkpoint: &Checkpoint, arch: &Arch, hparams: &Hparams) -> Result<Vec<String>, OpenError> {
    let outside = Wanted::of(arch.outside).map(|wanted| (wanted.to(None), wanted.shape));
    let layer =
        Wanted::of(arch.layer).map(|wanted| (format!("blk.{{}}.{}{}", wanted.rule.to, wanted.suffix), wanted.shape));
    let known: HashMap<String, &[Dim]> = outside.chain(layer).collect();
    let mut strange = Vec::new();
    for stored in &checkpoint.tensors {
        let (pattern, layer) = split_layer(&stored.name);
        match known.get(&pattern).filter(|_| layer.is_none_or(|n| n < hparams.layers)) {
            Some(dims) => {
                let path = &checkpoint.files[stored.file].path;
                check_shape(path, stored, dims, hparams, layer)?;
            }
            None if COMPUTED.contains(&stored.name.as_str()) => {}
            None => strange.push(stored.name.as_str()),
        }
    }
    match strange.first() {
        None => require_all(checkpoint, arch, hparams).map(|()| Vec::new()),
        Some(first) => Ok(vec![format!(
            "{} of its tensors are not known to this version of Tuck ({first} is the first), so whether any is missing was \
             not checked",
            strange.len()
        )]),
    }
}

/// Splits `blk.3.rest` into `blk.{}.rest` and 3.
fn split_layer(name: &str) -> (String, Option<u64>) {
    let split = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    match split.and_then(|(digits, rest)| Some((digits.parse().ok()?, rest))) {
        Some((layer, rest)) => (format!("blk.{{}}.{rest}"), Some(layer)),
        None => (name.to_owned(), None),
    }
}

/// Every tensor that the family needs has to be there, in every layer.
fn require_all(checkpoint: &Checkpoint, arch: &Arch, hparams: &Hparams) -> Result<(), OpenError> {
    let held: HashSet<&str> = checkpoint.tensors.iter().map(|t| t.name.as_str()).collect();
    let require = |wanted: Wanted, layer: Option<u64>| {
        let name = wanted.to(layer);
        match wanted.required && wanted.holds(hparams, layer) && !held.contains(name.as_str()) {
            true => Err(missing(checkpoint, arch, hparams, &name, &wanted.from(arch.layers, layer))),
            false => Ok(()),
        }
    };
    Wanted::of(arch.outside).try_for_each(|wanted| require(wanted, None))?;
    // The first gap ends the loop, so a hostile layer count costs nothing.
    (0..hparams.layers).try_for_each(|layer| Wanted::of(arch.layer).try_for_each(|wanted| require(wanted, Some(layer))))
}
