//! compressed-tensors, what llm-compressor writes: eight bits with scales (`float-quantized`, `int-quantized`), and whole
//! numbers of a few bits in words (`pack-quantized`).

use super::grid::Neighbours;
use super::pieces::Pieces;
use super::scaled::{self, Sharing};
use super::{Coded, Steps, Zero};
use crate::checkpoint::{OpenError, Precision, StoredTensor};
use serde_json::Value as Json;
use std::sync::Arc;

/// Values of `format` that are read; `dense` and `mixed-precision` hold what the others do.
const FORMATS: &[&str] =
    &["dense", "float-quantized", "int-quantized", "mixed-precision", "naive-quantized", "pack-quantized"];

/// What all groups of a config say alike.
#[derive(Clone, Copy, Default, PartialEq)]
struct Scheme {
    bits: Option<u64>,
    sharing: Sharing,
}

pub(super) fn read(pieces: &mut Pieces<'_>, settings: &Json) -> Result<(), OpenError> {
    let groups = || settings["config_groups"].as_object().into_iter().flat_map(|groups| groups.values());
    let formats = groups().map(|group| &group["format"]).chain([&settings["format"]]);
    if let Some(format) = formats.filter_map(Json::as_str).find(|format| !FORMATS.contains(format)) {
        return Err(pieces.unreadable(&format!(
            "its quantization_config has the format {format:?}, and of compressed-tensors this version of Tuck reads {}",
            FORMATS.join(", ")
        )));
    }
    let of_weights = groups().map(|group| &group["weights"]).filter(|weights| weights.is_object());
    let mut schemes: Vec<Scheme> = of_weights.map(scheme).collect();
    schemes.dedup();
    let scheme = match schemes.as_slice() {
        [] => Scheme::default(),
        [scheme] => *scheme,
        _ => {
            return Err(
                pieces.unreadable("its quantization_config has groups of weights that differ in bits or scales")
            );
        }
    };
    for module in pieces.modules(".weight_packed") {
        packed(pieces, &format!("{module}.weight"), scheme)?;
    }
    scaled::read(pieces, scheme.sharing)
}

fn scheme(weights: &Json) -> Scheme {
    let group = weights["group_size"].as_u64().filter(|size| *size > 0);
    let sharing = Sharing { block: scaled::block(&weights["block_structure"]), group };
    Scheme { bits: weights["num_bits"].as_u64(), sharing }
}

/// Codes in words along the rows of `name`.
fn packed(pieces: &mut Pieces<'_>, name: &str, scheme: Scheme) -> Result<(), OpenError> {
    let packed_name = format!("{name}_packed");
    let codes = pieces.need(&packed_name, name)?;
    let scale = pieces.need(&format!("{name}_scale"), &packed_name)?;
    let shape = pieces.need(&format!("{name}_shape"), &packed_name)?;
    let zero = pieces.take(&format!("{name}_zero_point"));
    let order = pieces.take(&format!("{name}_g_idx"));
    let [rows, columns] = pieces.whole_numbers(&shape)?;
    let bits = match scheme.bits {
        Some(bits @ 1..=8) => bits as u32,
        other => {
            let told = other.map_or("no num_bits".to_owned(), |bits| format!("num_bits {bits}"));
            return Err(
                pieces.unreadable(&format!("its quantization_config has {told} for its weights; 1 to 8 were expected"))
            );
        }
    };
    let grid = pieces.words(&codes, (rows, columns), bits, Neighbours::Columns, name)?;
    let group = match (scale.shape.as_slice(), scheme.sharing.group) {
        ([1, _], _) => columns,
        (_, Some(group)) => group,
        _ => {
            let problem =
                format!("has several scales for each row of {name}, and the quantization_config no group_size");
            return Err(pieces.wrong(&scale, &problem));
        }
    };
    let groups = columns.div_ceil(group.max(1));
    pieces.expect_shape(&scale, &[groups, rows], name)?;
    let mut bytes = codes.bytes + scale.bytes + shape.bytes;
    let zero = match zero {
        None => Zero::Same(f32::from(1u8 << (bits - 1))),
        Some(zero) => {
            bytes += zero.bytes;
            Zero::Stored(pieces.words(&zero, (rows, groups), bits, Neighbours::Rows, name)?, 0.0)
        }
    };
    let columns_steps = match order {
        None => Steps::Every(group),
        Some(order) => {
            bytes += order.bytes;
            pieces.listed(&order, columns, group, name)?
        }
    };
    let coded = Coded {
        name: format!("INT{bits}"),
        codes: grid,
        transposed: false,
        is_wide: false,
        scale: Some(pieces.numbers(&scale, rows, groups)?),
        zero,
        rows: Steps::Every(1),
        columns: columns_steps,
        bytes,
    };
    let tensor = StoredTensor {
        name: name.to_owned(),
        shape: vec![columns, rows],
        precision: Precision::Coded(Arc::new(coded)),
        file: codes.file,
        offset: codes.offset,
        bytes,
    };
    pieces.put(&packed_name, tensor);
    Ok(())
}
