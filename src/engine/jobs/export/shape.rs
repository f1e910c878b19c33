//! Which stored tensors stay, how large, and under which names.

use crate::arch::{Tensor, View};
use crate::checkpoint::{Checkpoint, Position, StoredTensor};
use crate::model::Model;

/// What stays of a checkpoint.
pub(super) struct Kept {
    /// In the order of the checkpoint.
    pub(super) tensors: Vec<KeptTensor>,
    /// The layers, by their numbers in the original.
    pub(super) layers: Vec<u64>,
}

/// A stored tensor that stays.
pub(super) struct KeptTensor {
    /// Its place in the checkpoint's list.
    pub(super) from: usize,
    pub(super) name: String,
    /// Columns first.
    pub(super) shape: Vec<u64>,
}

/// Compares a changed model with the original, of which every tensor knows where it is read from.
pub(super) fn kept(checkpoint: &Checkpoint, original: &Model, changed: &Model) -> Result<Kept, String> {
    if original.hparams.experts != changed.hparams.experts {
        return Err("experts that are gone cannot be told to a folder; write a .gguf file instead".to_owned());
    }
    let pairs: Vec<(&Tensor, Option<&Tensor>)> =
        original.tensors.iter().map(|tensor| (tensor, namesake(tensor, changed))).collect();
    let in_layers = pairs.iter().filter_map(|(tensor, same)| Some((tensor.layer()?, same.is_some())));
    let mut layers: Vec<u64> = in_layers.filter(|(_, stays)| *stays).map(|(layer, _)| layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let list = original.hparams.arch.map_or("layers", |arch| arch.layers);
    let mut tensors = Vec::new();
    for (from, stored) in checkpoint.tensors.iter().enumerate() {
        let Some(name) = renamed(&stored.name, list, &layers) else { continue };
        let mut shape = stored.shape.clone();
        for (tensor, same) in &pairs {
            let Some(same) = same.filter(|same| same.shape != tensor.shape) else { continue };
            let mut parts = tensor.parts().iter().filter(|part| part.at == Position::of(stored));
            let Some(part) = parts.next() else { continue };
            if parts.next().is_some() || tensor.parts().len() > 1 || same.shape.len() != tensor.shape.len() {
                return Err(format!("{} is put together of parts; write a .gguf file instead", tensor.name));
            }
            for (axis, (was, is)) in tensor.shape.iter().zip(&same.shape).enumerate().filter(|(_, (was, is))| was != is)
            {
                let axis = stored_axis(stored, &part.view, tensor, axis);
                shape[axis] = (shape[axis] + is).saturating_sub(*was);
            }
        }
        tensors.push(KeptTensor { from, name, shape });
    }
    Ok(Kept { tensors, layers })
}

/// The tensor of a changed model that came of this one.
fn namesake<'m>(tensor: &Tensor, changed: &'m Model) -> Option<&'m Tensor> {
    let module = |tensor: &'_ Tensor| tensor.name.splitn(3, '.').nth(2).map(str::to_owned);
    let is_in_layer = tensor.layer().is_some();
    changed.tensors.iter().find(|other| match is_in_layer {
        true => other.stored_name == tensor.stored_name && other.layer().is_some() && module(other) == module(tensor),
        false => other.name == tensor.name,
    })
}

/// The name under the new number of its layer; none where that is gone.
fn renamed(name: &str, list: &str, layers: &[u64]) -> Option<String> {
    let mark = format!("{list}.");
    let at = name.match_indices(&mark).find(|(at, _)| *at == 0 || name[..*at].ends_with('.'));
    let Some((at, _)) = at else { return Some(name.to_owned()) };
    let (before, rest) = name.split_at(at + mark.len());
    let (digits, after) = rest.split_once('.').unwrap_or((rest, ""));
    match digits.parse::<u64>() {
        Err(_) => Some(name.to_owned()),
        Ok(layer) => layers.binary_search(&layer).ok().map(|new| format!("{before}{new}.{after}")),
    }
}

/// The axis of a stored tensor that goes with one of a tensor read from it.
fn stored_axis(stored: &StoredTensor, view: &View, tensor: &Tensor, axis: usize) -> usize {
    let step: u64 = tensor.shape[..axis].iter().product();
    let [first, last] = [0, step * (tensor.shape[axis] - 1)].map(|n| unit(view, n));
    let mut stride = 1;
    for (axis, size) in stored.shape.iter().enumerate() {
        if first / stride % size != last / stride % size {
            return axis;
        }
        stride *= size;
    }
    0
}

/// The unit at a place of a view.
fn unit(view: &View, place: u64) -> u64 {
    let step = |(at, n): (u64, u64), axis: &crate::arch::Axis| (at + n % axis.count * axis.stride, n / axis.count);
    view.axes.iter().rev().fold((view.start, place), step).0
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn layers_are_counted_anew() {
        let name = |name: &str, list: &str| renamed(name, list, &[0, 2, 3]);
        assert_eq!(
            name("model.layers.3.mlp.up_proj.weight", "layers").as_deref(),
            Some("model.layers.2.mlp.up_proj.weight")
        );
        assert_eq!(name("model.layers.1.mlp.up_proj.weight", "layers"), None);
        assert_eq!(name("h.2.attn.bias", "h").as_deref(), Some("h.1.attn.bias"));
        assert_eq!(name("model.embed_tokens.weight", "layers").as_deref(), Some("model.embed_tokens.weight"));
    }
}
