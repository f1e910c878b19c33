//! GPTQ and AWQ: whole numbers of a few bits in words, a row of codes for each input, so that a matrix lies transposed;
//! a scale and a zero point for each output and group of inputs.

use super::grid::{Neighbours, per_word};
use super::pieces::Pieces;
use super::{Coded, Steps, Zero};
use crate::checkpoint::{OpenError, Precision, StoredTensor};
use serde_json::Value as Json;
use std::sync::Arc;

/// How the codes of one of these products lie.
struct Product {
    /// For people.
    name: &'static str,
    bits: u32,
    codes: Neighbours,
    zeros: Neighbours,
    /// How much larger a zero point is than what is stored.
    more: f32,
    /// Inputs that share a scale, from the config; none where all do.
    group: Option<u64>,
}

/// AutoGPTQ and GPTQModel. Version 1 stores zero points less 1.
pub(super) fn gptq(pieces: &mut Pieces<'_>, settings: &Json) -> Result<(), OpenError> {
    let bits = bits(pieces, settings, &["bits"], &[2, 4, 8])?;
    let more = match settings["checkpoint_format"].as_str() {
        None | Some("gptq") => 1.0,
        Some("gptq_v2") => 0.0,
        Some(other) => {
            return Err(pieces.unreadable(&format!(
                "its quantization_config has the checkpoint_format {other:?}, and of GPTQ this version of Tuck reads gptq and \
                 gptq_v2"
            )));
        }
    };
    let (codes, zeros) = (Neighbours::Rows, Neighbours::Columns);
    read(pieces, &Product { name: "GPTQ", bits, codes, zeros, more, group: group(settings, &["group_size"]) })
}

/// AutoAWQ, in the layout of its kernels for matrix products.
pub(super) fn awq(pieces: &mut Pieces<'_>, settings: &Json) -> Result<(), OpenError> {
    let bits = bits(pieces, settings, &["bits", "w_bit"], &[4])?;
    if let Some(version) = settings["version"].as_str().filter(|version| !version.eq_ignore_ascii_case("gemm")) {
        return Err(pieces.unreadable(&format!(
            "its quantization_config has the version {version:?}, and of AWQ this version of Tuck reads gemm"
        )));
    }
    let (codes, zeros) = (Neighbours::EvenThenOdd, Neighbours::EvenThenOdd);
    let group = group(settings, &["group_size", "q_group_size"]);
    read(pieces, &Product { name: "AWQ", bits, codes, zeros, more: 0.0, group })
}

fn bits(pieces: &Pieces<'_>, settings: &Json, keys: &[&str], known: &[u32]) -> Result<u32, OpenError> {
    let found = keys.iter().map(|key| &settings[*key]).find(|value| !value.is_null()).unwrap_or(&Json::Null);
    let bits = found.as_u64().and_then(|bits| known.iter().copied().find(|known| u64::from(*known) == bits));
    bits.ok_or_else(|| {
        let known = known.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        pieces.unreadable(&format!(
            "its quantization_config says that a code has {found} bits, and this version of Tuck reads {known}"
        ))
    })
}

/// -1 stands for all inputs.
fn group(settings: &Json, keys: &[&str]) -> Option<u64> {
    keys.iter().find_map(|key| settings[*key].as_u64()).filter(|size| *size > 0)
}

fn read(pieces: &mut Pieces<'_>, product: &Product) -> Result<(), OpenError> {
    for module in pieces.modules(".qweight") {
        let name = format!("{module}.qweight");
        let tensor = matrix(pieces, &module, &name, product)?;
        pieces.put(&name, tensor);
    }
    Ok(())
}

fn matrix(pieces: &mut Pieces<'_>, module: &str, name: &str, product: &Product) -> Result<StoredTensor, OpenError> {
    let Product { bits, .. } = *product;
    let codes = pieces.need(name, module)?;
    let scale = pieces.need(&format!("{module}.scales"), name)?;
    let zeros = pieces.need(&format!("{module}.qzeros"), name)?;
    let order = pieces.take(&format!("{module}.g_idx"));
    let ([outputs, groups], [_, rows]) = (pieces.sizes(&scale)?, pieces.sizes(&codes)?);
    let inputs = if product.codes == Neighbours::Rows { rows * per_word(bits) } else { rows };
    let grid = pieces.words(&codes, (inputs, outputs), bits, product.codes, &scale.name)?;
    let group = product.group.filter(|_| groups > 1).unwrap_or(inputs).max(1);
    let row_steps = match &order {
        Some(order) => pieces.listed(order, inputs, group, name)?,
        None if inputs.div_ceil(group) == groups => Steps::Every(group),
        None => {
            let problem = format!(
                "has scales for {groups} groups of inputs, and by the quantization_config {inputs} inputs of {name} in groups \
                 of {group} have {}",
                inputs.div_ceil(group)
            );
            return Err(pieces.wrong(&scale, &problem));
        }
    };
    let bytes = codes.bytes + scale.bytes + zeros.bytes + order.map_or(0, |order| order.bytes);
    let coded = Coded {
        name: format!("{} {bits}-bit", product.name),
        codes: grid,
        transposed: true,
        is_wide: false,
        scale: Some(pieces.numbers(&scale, groups, outputs)?),
        zero: Zero::Stored(pieces.words(&zeros, (groups, outputs), bits, product.zeros, name)?, product.more),
        rows: row_steps,
        columns: Steps::Every(1),
        bytes,
    };
    Ok(StoredTensor {
        name: format!("{module}.weight"),
        shape: vec![inputs, outputs],
        precision: Precision::Coded(Arc::new(coded)),
        file: codes.file,
        offset: codes.offset,
        bytes,
    })
}
