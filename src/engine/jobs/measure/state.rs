//! What is kept of a calibration on its way, so that it can go on after it was ended.
//!
//! A file beside the output: a line with a mark, one of JSON with what belongs to what (the model, the text, the next layer,
//! names and sizes of sums), the sums as f64, the residual stream as f32, all little endian, and a SHA-256 of all before.

use crate::engine::worker::Stop;
use crate::eval::{Activations, Squares};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const MARK: &str = "tuck calibration 1\n";
const DIGEST: usize = 32;

/// How far a calibration has come.
pub(super) struct State {
    /// Layers that are done.
    pub(super) layers: u64,
    /// The residual stream after them.
    pub(super) rows: Vec<f32>,
    pub(super) activations: Activations,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct Heading {
    /// Of the model, the text and the request; another state is no use.
    key: String,
    layers: u64,
    rows: usize,
    /// Name, number of sums, counts.
    matrices: Vec<(String, usize, Vec<u64>)>,
}

/// The file for an output.
pub(super) fn path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Writes a state whole or not at all.
pub(super) fn save(output: &Path, key: &str, layers: u64, rows: &[f32], of: &Activations) -> Result<(), Stop> {
    let matrices = of.matrices.iter().map(|(name, of)| (name.clone(), of.sums.len(), of.counts.clone())).collect();
    let heading = Heading { key: key.to_owned(), layers, rows: rows.len(), matrices };
    let mut bytes = MARK.as_bytes().to_vec();
    bytes.extend(serde_json::to_vec(&heading).expect("names and numbers"));
    bytes.push(b'\n');
    of.matrices.values().for_each(|of| bytes.extend_from_slice(bytemuck::cast_slice(&of.sums)));
    bytes.extend_from_slice(bytemuck::cast_slice(rows));
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    let path = path(output);
    let failed = |error: std::io::Error| Stop::Failed(format!("{} could not be written: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.persist(&path).map(drop).map_err(|error| failed(error.error))
}

/// Reads the state for an output, if there is one with this key for a residual stream of so many numbers. What is damaged or
/// of something else counts as none.
pub(super) fn load(output: &Path, key: &str, rows: usize) -> Option<State> {
    let path = path(output);
    // The sums of a layer are as long as a few rows of the stream; nothing near as long as this is a state.
    let most = 8 * rows as u64 + (4 << 30);
    let file = std::fs::File::open(&path).ok().filter(|file| file.metadata().is_ok_and(|found| found.len() <= most))?;
    let mut bytes = Vec::new();
    std::io::BufReader::new(file).read_to_end(&mut bytes).ok()?;
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Sha256::digest(content)[..] != *digest {
        return None;
    }
    let content = content.strip_prefix(MARK.as_bytes())?;
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let heading: Heading = serde_json::from_slice(&content[..end]).ok()?;
    let mut rest = &content[end + 1..];
    let sums: usize = heading.matrices.iter().map(|(_, sums, _)| *sums).sum();
    if heading.key != key || heading.rows != rows || rest.len() != 8 * sums + 4 * rows {
        return None;
    }
    let mut activations = Activations::default();
    for (name, sums, counts) in heading.matrices {
        let (own, after) = rest.split_at(8 * sums);
        rest = after;
        let sums = own.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        activations.matrices.insert(name, Squares { sums, counts });
    }
    let rows = rest.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Some(State { layers: heading.layers, rows, activations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("imatrix.gguf");
        let mut activations = Activations::default();
        activations.add("blk.0.attn_q.weight", 0, 1, 2, &[1.0, 2.0, 3.0, 4.0]);
        let rows = [1.0f32, -2.0, 0.5];
        save(&output, "key", 3, &rows, &activations).unwrap();
        let state = load(&output, "key", 3).unwrap();
        assert_eq!((state.layers, state.rows.as_slice()), (3, &rows[..]));
        assert_eq!(state.activations.matrices, activations.matrices);
        assert!(load(&output, "another", 3).is_none() && load(&output, "key", 4).is_none());
        let path = path(&output);
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 5, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(load(&output, "key", 3).is_none());
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(load(&output, "key", 3).is_none());
    }
}
