//! How weights lie in a safetensors file: dense, or with two of each four neighbours and a bit for each
//! (`sparse-24-bitmask` of compressed-tensors).

use super::shape::Kept;
use crate::checkpoint::{Checkpoint, Precision};
use crate::engine::worker::Stop;
use crate::model::Model;
use crate::quant::FormatRef;
use serde_json::{Map, Value as Json, json};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// A tensor of a file.
pub(super) struct Entry {
    pub(super) name: String,
    /// As the format writes it.
    dtype: String,
    /// Columns first.
    pub(super) shape: Vec<u64>,
    /// Where it begins in the file.
    pub(super) offset: u64,
    pub(super) bytes: u64,
    format: Option<FormatRef>,
}

/// What a file begins with.
pub(super) struct Header {
    pub(super) entries: Vec<Entry>,
    text: Vec<u8>,
    /// Of the whole file.
    pub(super) bytes: u64,
}

impl Header {
    /// Of dense tensors in the precision they have.
    pub(super) fn dense(checkpoint: &Checkpoint, kept: &Kept) -> Result<Self, String> {
        let mut entries = Vec::new();
        for tensor in &kept.tensors {
            let stored = &checkpoint.tensors[tensor.from];
            let (dtype, format) = match &stored.precision {
                Precision::Format(format) => (format.name.to_owned(), Some(*format)),
                Precision::Other(dtype) => (dtype.to_string(), None),
                Precision::Coded(_) => return Err(format!("{} is stored as codes", stored.name)),
            };
            let weights: u64 = tensor.shape.iter().product();
            let bytes = format.map_or(stored.bytes, |format| format.bytes(weights));
            entries.push(Entry {
                name: tensor.name.clone(),
                dtype,
                shape: tensor.shape.clone(),
                offset: 0,
                bytes,
                format,
            });
        }
        Ok(Self::of(entries))
    }

    fn of(mut entries: Vec<Entry>) -> Self {
        let mut listed = Map::new();
        listed.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
        let mut at = 0;
        for Entry { name, dtype, shape, bytes, offset, .. } in &mut entries {
            let shape: Vec<u64> = shape.iter().rev().copied().collect();
            listed.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, at + *bytes] }));
            *offset = at;
            at += *bytes;
        }
        let mut text = Json::Object(listed).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        let data = 8 + text.len() as u64;
        entries.iter_mut().for_each(|entry| entry.offset += data);
        Self { entries, text, bytes: data + at }
    }

    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        file.write_all(&(self.text.len() as u64).to_le_bytes())?;
        file.write_all(&self.text)
    }

    /// A file of its length that holds nothing but this.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
        self.write(&mut file)?;
        file.set_len(self.bytes)?;
        Ok(file)
    }
}

/// What was compressed: how many weights, and how many tensors were left dense.
#[derive(Clone, Copy, Default)]
pub(super) struct Compressed {
    weights: u64,
    all: u64,
}

/// Writes the same tensors, those matrices of layers that fit 2:4 compressed.
pub(super) fn compressed(
    header: &Header,
    new: &Model,
    path: &Path,
    read: impl Fn(usize) -> Result<Vec<u8>, Stop>,
) -> Result<Compressed, Stop> {
    let failed = |error: io::Error| Stop::Failed(format!("{} could not be written: {error}", path.display()));
    let is_in_layer = |entry: &Entry| {
        let tensor = new.tensors.iter().find(|t| t.parts().iter().any(|part| part.at.offset == entry.offset));
        tensor.is_some_and(|tensor| tensor.layer().is_some())
    };
    // The header comes first and says which: each is looked at once for that, and once more to be written.
    let mut fits = Vec::new();
    let mut found = Compressed::default();
    for (place, entry) in header.entries.iter().enumerate() {
        let may = entry.shape.len() == 2 && entry.shape[0].is_multiple_of(4) && entry.name.ends_with(".weight");
        let fit = may && is_in_layer(entry) && pairs(&read(place)?, entry).is_some();
        found.all += entry.shape.iter().product::<u64>();
        found.weights += if fit { entry.shape.iter().product::<u64>() } else { 0 };
        fits.push(fit);
    }
    if found.weights == 0 {
        return Err(Stop::Failed(
            "no matrix has two zeros in each four neighbours, so nothing can be written in that layout; prune with \
             --sparsity 2:4, or leave --compressed out"
                .to_owned(),
        ));
    }
    let mut entries = Vec::new();
    for (entry, fits) in header.entries.iter().zip(&fits) {
        let own = |name: &str, dtype: &str, shape: &[u64], bytes: u64| Entry {
            name: name.to_owned(),
            dtype: dtype.to_owned(),
            shape: shape.to_vec(),
            offset: 0,
            bytes,
            format: entry.format,
        };
        let [columns, rows] = [0, 1].map(|axis| entry.shape.get(axis).copied().unwrap_or(1));
        match entry.name.strip_suffix(".weight").filter(|_| *fits) {
            None => entries.push(own(&entry.name, &entry.dtype, &entry.shape, entry.bytes)),
            Some(module) => {
                let name = |part: &str| format!("{module}.{part}");
                entries.push(own(&name("shape"), "I64", &[1, 2], 16));
                entries.push(own(&name("compressed"), &entry.dtype, &[columns / 2, rows], entry.bytes / 2));
                entries.push(own(&name("bitmask"), "U8", &[columns.div_ceil(8), rows], columns.div_ceil(8) * rows));
            }
        }
    }
    let own = Header::of(entries);
    let mut file = BufWriter::new(own.create(path).map_err(failed)?);
    file.seek(SeekFrom::Start(8 + own.text.len() as u64)).map_err(failed)?;
    for (place, (entry, fits)) in header.entries.iter().zip(&fits).enumerate() {
        let bytes = read(place)?;
        match pairs(&bytes, entry).filter(|_| *fits) {
            None => file.write_all(&bytes).map_err(failed)?,
            Some((values, bits)) => {
                let shape: Vec<u8> = entry.shape.iter().rev().flat_map(|size| (*size as i64).to_le_bytes()).collect();
                for part in [shape, values, bits] {
                    file.write_all(&part).map_err(failed)?;
                }
            }
        }
    }
    file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    Ok(found)
}

/// Two values of each four, and a bit for each place that has one, the first in the lowest; none where there are more. Where
/// fewer are not 0, the first zeros are taken with them.
fn pairs(bytes: &[u8], entry: &Entry) -> Option<(Vec<u8>, Vec<u8>)> {
    let size = entry.format?.block_bytes;
    let columns = entry.shape[0] as usize;
    let (mut values, mut bits) = (Vec::with_capacity(bytes.len() / 2), Vec::new());
    for row in bytes.chunks_exact(columns * size) {
        let mut row_bits = vec![0u8; columns.div_ceil(8)];
        for (group, four) in row.chunks_exact(4 * size).enumerate() {
            // The sign of a zero counts for nothing.
            let is_zero = |place: &usize| {
                let (last, others) = four[place * size..][..size].split_last().expect("a weight has bytes");
                last & 0x7f == 0 && others.iter().all(|byte| *byte == 0)
            };
            let mut taken: Vec<usize> = (0..4).filter(|place| !is_zero(place)).collect();
            if taken.len() > 2 {
                return None;
            }
            let zeros: Vec<usize> = (0..4).filter(is_zero).take(2 - taken.len()).collect();
            taken.extend(zeros);
            taken.sort_unstable();
            for place in taken {
                values.extend(&four[place * size..][..size]);
                row_bits[(group * 4 + place) / 8] |= 1 << ((group * 4 + place) % 8);
            }
        }
        bits.extend(row_bits);
    }
    Some((values, bits))
}

/// What `config.json` says of it: what transformers hands to compressed-tensors.
pub(super) fn settings(found: Compressed) -> Json {
    json!({
        "quant_method": "compressed-tensors",
        "format": "dense",
        "quantization_status": "compressed",
        "sparsity_config": {
            "format": "sparse-24-bitmask",
            "sparsity_structure": "2:4",
            "global_sparsity": found.weights as f64 / 2.0 / found.all.max(1) as f64,
            "targets": ["Linear"],
            "ignore": ["lm_head"],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::BF16;

    #[test]
    fn two_of_four_and_a_bit_for_each() {
        let entry = |columns| Entry {
            name: String::new(),
            dtype: String::new(),
            shape: vec![columns, 1],
            offset: 0,
            bytes: 0,
            format: Some(&BF16),
        };
        let bytes = |numbers: &[u16]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        // A negative zero is one.
        let row = bytes(&[0, 7, 0x8000, 9, 5, 0, 0, 0]);
        let (values, bits) = pairs(&row, &entry(8)).unwrap();
        assert_eq!(values, bytes(&[7, 9, 5, 0]));
        assert_eq!(bits, [0b0011_1010]);
        assert!(pairs(&bytes(&[1, 2, 3, 0]), &entry(4)).is_none());
    }
}
