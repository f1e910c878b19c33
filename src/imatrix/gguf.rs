//! The form of a GGUF: `general.type` is `imatrix`, and for each matrix there are the tensors `NAME.in_sum2`, sums of
//! squares by column and expert, and `NAME.counts`, how many tokens went into them, by expert (`tools/imatrix` and
//! `common/imatrix-loader.cpp` of llama.cpp). Both are F32.

use super::{Imatrix, MAX_BYTES};
use crate::gguf::{
    self, Array, DEFAULT_ALIGNMENT, Header, HeaderTensor, Layout, MAX_TENSOR_NAME, TensorInfo, Value, ValueType,
};
use crate::positioned::read_at;
use crate::quant::F32;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

const TYPE: &str = "general.type";
const DATASETS: &str = "imatrix.datasets";
const CHUNK_COUNT: &str = "imatrix.chunk_count";
const CHUNK_SIZE: &str = "imatrix.chunk_size";
const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";

/// The sums and counts of each matrix, as far as they were found.
type Pairs<'a> = BTreeMap<&'a str, [Option<&'a TensorInfo>; 2]>;

/// Reads a file of `bytes` bytes.
pub(super) fn read(file: &File, bytes: u64) -> Result<Imatrix, String> {
    let header = gguf::read_header(BufReader::new(file), bytes).map_err(|error| error.to_string())?;
    let value = |key: &str| header.metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value);
    match value(TYPE).and_then(Value::as_str) {
        Some("imatrix") => {}
        found => {
            return Err(format!(
                "it is a GGUF file with {TYPE} {}, and an importance matrix has {TYPE} imatrix; name a file that llama-imatrix \
                 wrote",
                found.unwrap_or("missing")
            ));
        }
    }
    if bytes > MAX_BYTES {
        return Err(format!("it has {bytes} bytes, and no importance matrix of more than {MAX_BYTES} is read"));
    }
    let number = |key: &str| match value(key) {
        None => Ok(0),
        Some(Value::U32(n)) => Ok(*n),
        Some(other) => Err(format!("{key} is {} ({}), and a u32 was expected", other, other.value_type().name())),
    };
    let texts = value(DATASETS).and_then(Value::as_array).map(|array| array.values.iter());
    let mut imatrix = Imatrix {
        datasets: texts.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        chunks: number(CHUNK_COUNT)?,
        chunk_tokens: number(CHUNK_SIZE)?,
        ..Imatrix::default()
    };
    for (name, pair) in pairs(&header) {
        let [Some(sums), Some(counts)] = pair else {
            let missing = if pair[0].is_none() { SUMS } else { COUNTS };
            return Err(format!("the tensor {name}{missing} is missing beside its other half; make the file again"));
        };
        let (columns, counts) = means(name, floats(file, sums)?, floats(file, counts)?)?;
        imatrix.insert(name, columns, counts)?;
    }
    if imatrix.columns.is_empty() {
        return Err(format!("it has no tensor NAME{SUMS}, so it says nothing; make it again with llama-imatrix"));
    }
    Ok(imatrix)
}

fn pairs(header: &Header) -> Pairs<'_> {
    let mut pairs = Pairs::new();
    for tensor in &header.tensors {
        for (half, ending) in [SUMS, COUNTS].into_iter().enumerate() {
            if let Some(name) = tensor.name.strip_suffix(ending) {
                pairs.entry(name).or_default()[half] = Some(tensor);
            }
        }
    }
    pairs
}

fn floats(file: &File, tensor: &TensorInfo) -> Result<Vec<f32>, String> {
    let name = &tensor.name;
    if *tensor.format != F32 {
        return Err(format!(
            "the tensor {name} is stored as {}, and F32 was expected; make the file again",
            tensor.format
        ));
    }
    let mut bytes = vec![0; tensor.bytes as usize];
    read_at(file, tensor.offset, &mut bytes)
        .map_err(|error| format!("the tensor {name} could not be read: {error}"))?;
    Ok(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

/// Divides the sums of each expert by its count. One without tokens says nothing, which llama-quantize has as 1.
fn means(name: &str, mut sums: Vec<f32>, counts: Vec<f32>) -> Result<(Vec<f32>, Vec<u64>), String> {
    if !sums.len().is_multiple_of(counts.len()) {
        return Err(format!(
            "the tensor {name}{SUMS} has {} values, which is no multiple of the {} of {name}{COUNTS}; make the file again",
            sums.len(),
            counts.len()
        ));
    }
    if let Some(at) = counts.iter().position(|count| !(0.0..=u32::MAX as f32).contains(count)) {
        return Err(format!(
            "the tensor {name}{COUNTS} has {} as value {at}, and a number of tokens was expected; make the file again",
            counts[at]
        ));
    }
    let columns = sums.len() / counts.len();
    for (sums, count) in sums.chunks_exact_mut(columns).zip(&counts) {
        match count.round() {
            0.0 => sums.fill(1.0),
            count => sums.iter_mut().for_each(|sum| *sum /= count),
        }
    }
    Ok((sums, counts.iter().map(|count| count.round() as u64).collect()))
}

/// The bytes of a file. What is read from it differs from `imatrix` by the rounding of a product and a quotient.
pub(super) fn encode(imatrix: &Imatrix) -> Result<Vec<u8>, String> {
    let metadata = [
        (TYPE.to_owned(), "imatrix".into()),
        (DATASETS.to_owned(), Array::new(ValueType::String, imatrix.datasets.iter().map(String::as_str)).into()),
        (CHUNK_COUNT.to_owned(), imatrix.chunks.into()),
        (CHUNK_SIZE.to_owned(), imatrix.chunk_tokens.into()),
    ];
    let mut tensors: Vec<(String, [u64; 2], Vec<f32>)> = Vec::new();
    for (name, columns) in &imatrix.columns {
        if name.len() + SUMS.len() > MAX_TENSOR_NAME {
            return Err(format!(
                "the name {name}{SUMS} is longer than {MAX_TENSOR_NAME} bytes, the most that ggml holds"
            ));
        }
        let counts = imatrix.counts.get(name).filter(|counts| !counts.is_empty() && columns.len() % counts.len() == 0);
        let counts = counts.ok_or_else(|| format!("the counts of the tensor {name} do not fit its values"))?;
        let (each, experts) = (columns.len() / counts.len(), counts.len() as u64);
        let sums = columns.chunks_exact(each).zip(counts);
        let sums = sums.flat_map(|(columns, &count)| columns.iter().map(move |column| column * count as f32)).collect();
        tensors.push((format!("{name}{SUMS}"), [each as u64, experts], sums));
        tensors.push((format!("{name}{COUNTS}"), [1, experts], counts.iter().map(|&count| count as f32).collect()));
    }
    let listed: Vec<_> = tensors.iter().map(|(name, shape, _)| HeaderTensor { name, shape, format: &F32 }).collect();
    let header_len = gguf::encode_header(&metadata, &listed, &vec![0; listed.len()]).len() as u64;
    let sizes = tensors.iter().map(|(_, _, values)| F32.bytes(values.len() as u64));
    let Layout { header_bytes, offsets, file_bytes } = gguf::lay_out(header_len, sizes, DEFAULT_ALIGNMENT);
    let from_data: Vec<u64> = offsets.iter().map(|offset| offset - header_bytes).collect();
    let mut out = gguf::encode_header(&metadata, &listed, &from_data);
    for ((_, _, values), offset) in tensors.iter().zip(offsets) {
        out.resize(offset as usize, 0);
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    out.resize(file_bytes as usize, 0);
    Ok(out)
}
