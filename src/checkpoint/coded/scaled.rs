//! Numbers of eight bits, one after another, with scales for the whole tensor, for each row, for groups of a row or for
//! blocks: `weight_scale_inv` of DeepSeek, `weight_scale` of compressed-tensors, FBGEMM and ModelOpt.

use super::pieces::Pieces;
use super::{Coded, Steps, Zero};
use crate::checkpoint::number::Number;
use crate::checkpoint::{OpenError, Precision, StoredTensor};
use serde_json::Value as Json;
use std::sync::Arc;

/// Ends of names of scales: where one is, the rest names the codes.
const SCALES: &[(&str, &str)] = &[("_scale_inv", ""), (".weight_scale", ".weight")];

/// Stored precisions that make sense without anything else.
const ALONE: &[&str] = &["F64", "F8_E4M3", "F8_E5M2"];

/// How many codes share a scale, where the scales' shape does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sharing {
    /// Rows and columns of a block.
    pub(super) block: Option<[u64; 2]>,
    /// Neighbours in a row.
    pub(super) group: Option<u64>,
}

/// Of products whose scales are for a tensor or for each row.
pub(super) fn by_names(pieces: &mut Pieces<'_>, _: &Json) -> Result<(), OpenError> {
    read(pieces, Sharing::default())
}

/// Of DeepSeek and those that do the same: `weight_block_size` says what a scale is for.
pub(super) fn fp8(pieces: &mut Pieces<'_>, settings: &Json) -> Result<(), OpenError> {
    read(pieces, Sharing { block: block(&settings["weight_block_size"]), group: None })
}

/// Two sizes.
pub(super) fn block(value: &Json) -> Option<[u64; 2]> {
    let sizes = value.as_array()?.iter().map(|size| size.as_u64().filter(|n| *n > 0));
    sizes.collect::<Option<Vec<u64>>>()?.try_into().ok()
}

/// Puts codes and scales together.
pub(super) fn read(pieces: &mut Pieces<'_>, sharing: Sharing) -> Result<(), OpenError> {
    for (ending, codes_ending) in SCALES {
        for module in pieces.modules(ending) {
            let (name, scale_name) = (format!("{module}{codes_ending}"), format!("{module}{ending}"));
            let scale = pieces.need(&scale_name, &name)?;
            let codes = pieces.need(&name, &scale_name)?;
            let zero = pieces.take(&format!("{name}_zero_point"));
            let coded = together(pieces, &codes, &scale, zero.as_ref(), sharing)?;
            pieces.put(&name, as_stored(codes, coded));
        }
    }
    Ok(())
}

/// A tensor that is what it was, but for what its bytes mean.
fn as_stored(codes: StoredTensor, coded: Coded) -> StoredTensor {
    StoredTensor { bytes: coded.bytes, precision: Precision::Coded(Arc::new(coded)), ..codes }
}

fn together(
    pieces: &Pieces<'_>,
    codes: &StoredTensor,
    scale: &StoredTensor,
    zero: Option<&StoredTensor>,
    sharing: Sharing,
) -> Result<Coded, OpenError> {
    let mut coded = plain(pieces, codes)?;
    let (rows, columns) = (coded.codes.rows, coded.codes.columns);
    // Of a stack, all rows of all matrices; no block reaches from one into the next.
    let matrix_rows = codes.shape.get(1).copied().unwrap_or(1);
    let (scale_rows, scale_columns) = match scale.shape.as_slice() {
        [] => (1, 1),
        [n] => (*n, 1),
        [columns, rows @ ..] => (rows.iter().product(), *columns),
    };
    let fits = |[block_rows, block_columns]: [u64; 2]| {
        let blocks = rows.checked_div(matrix_rows).unwrap_or(0) * matrix_rows.div_ceil(block_rows);
        (matrix_rows.is_multiple_of(block_rows) || rows == matrix_rows)
            && (scale_rows, scale_columns) == (blocks, columns.div_ceil(block_columns))
    };
    let candidates =
        [Some([1, columns]), sharing.block, sharing.group.map(|group| [1, group]), Some([matrix_rows, columns])];
    let candidates = candidates.into_iter().flatten().filter(|[rows, columns]| *rows > 0 && *columns > 0);
    let one = Some([rows, columns]).filter(|_| scale.weights() == 1);
    let Some([block_rows, block_columns]) = one.or_else(|| { candidates }.find(|block| fits(*block))) else {
        let told = match sharing {
            Sharing { block: Some([rows, columns]), .. } => format!("a block of {rows} x {columns}"),
            Sharing { group: Some(group), .. } => format!("{group} neighbours"),
            _ => "each row or all of it, for no size of a block is given".to_owned(),
        };
        let problem = format!(
            "has {scale_rows} x {scale_columns} scales for the {rows} x {columns} codes of {}; by the quantization_config a \
             scale is for {told}",
            codes.name
        );
        return Err(pieces.wrong(scale, &problem));
    };
    coded.rows = Steps::Every(block_rows);
    coded.columns = Steps::Every(block_columns);
    coded.bytes += scale.bytes;
    coded.scale = Some(pieces.numbers(scale, scale_rows, scale_columns)?);
    if let Some(zero) = zero {
        pieces.expect_shape(zero, &scale.shape, &scale.name)?;
        coded.bytes += zero.bytes;
        coded.zero = Zero::Stored(pieces.numbers(zero, scale_rows, scale_columns)?, 0.0);
    }
    Ok(coded)
}

/// The numbers of a tensor as codes that are their own weights.
fn plain(pieces: &Pieces<'_>, codes: &StoredTensor) -> Result<Coded, OpenError> {
    let columns = codes.shape.first().copied().unwrap_or(1);
    let rows = codes.weights().checked_div(columns).unwrap_or(0);
    let number = pieces.number(codes)?;
    Ok(Coded {
        name: number.title.to_owned(),
        codes: pieces.numbers(codes, rows, columns)?,
        transposed: false,
        is_wide: number.bytes > 2,
        scale: None,
        zero: Zero::None,
        rows: Steps::Every(1),
        columns: Steps::Every(1),
        bytes: codes.bytes,
    })
}

/// Makes codes of the numbers that need nothing else and are no GGUF type.
pub(super) fn alone(pieces: &mut Pieces<'_>) -> Result<(), OpenError> {
    let is_alone = |tensor: &StoredTensor| {
        Number::of(&tensor.precision).is_some_and(|number| ALONE.contains(&number.name)).then(|| tensor.name.clone())
    };
    let names: Vec<String> = pieces.each().filter_map(|tensor| is_alone(tensor)).collect();
    for name in names {
        if let Some(tensor) = pieces.take(&name) {
            let coded = plain(pieces, &tensor)?;
            pieces.put(&name, as_stored(tensor, coded));
        }
    }
    Ok(())
}
