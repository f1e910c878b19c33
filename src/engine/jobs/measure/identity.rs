//! What a model is known by again.

use crate::engine::jobs::read::{BLOCK, fill};
use crate::engine::worker::Stop;
use crate::model::Model;
use sha2::{Digest, Sha256};

/// Places of a tensor that are looked at.
const PLACES: u64 = 3;

/// A digest of the names and shapes of a model's tensors, how they are stored, and some weights of each: another model of the
/// same shape has others. It does not depend on where the files are.
pub(super) fn digest(model: &Model) -> Result<String, Stop> {
    let mut digest = Sha256::new();
    let mut bytes = Vec::new();
    for tensor in &model.tensors {
        let format = tensor.stored_format();
        digest.update(format!("{} {:?} {}\n", tensor.name, tensor.shape, format.name));
        let weights = tensor.weights().min(BLOCK);
        bytes.resize(format.bytes(weights) as usize, 0);
        let blocks = (tensor.weights() - weights) / BLOCK;
        for place in 0..PLACES {
            fill(model, tensor, blocks * place / (PLACES - 1) * BLOCK, &mut bytes)?;
            digest.update(&bytes);
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
