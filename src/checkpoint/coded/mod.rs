//! Weights that are stored as codes: FP8 and INT8 with scales, and whole numbers of a few bits with scales and zero points,
//! as compressed-tensors, GPTQ and AWQ write them; also F64, which no GGUF type holds.
//!
//! A product's tensors (`qweight`, `scales`, `weight_scale_inv`...) are put together to one stored tensor each, called
//! `weight` as if it were plain, whose [`Coded`] says how a weight follows: `(code - zero) * scale`, in F32. That is what
//! llama.cpp's converter computes (`dequant_model` of `conversion/base.py`), bit for bit where it reads the product at all.

mod compressed;
mod gptq;
mod grid;
mod pieces;
mod scaled;

pub use grid::{Grid, Layout, Neighbours, Position};

use super::number::NumberRef;
use super::{OpenError, SourceFile, StoredTensor};
use pieces::Pieces;
use serde_json::Value as Json;
use std::path::Path;

/// A matrix of codes that stand for weights.
#[derive(Debug, PartialEq)]
pub struct Coded {
    /// For people: `FP8 E4M3`, `GPTQ 4-bit`.
    pub name: String,
    /// The codes, as they lie.
    pub codes: Grid,
    /// Whether a row of codes is a column of the weights.
    pub transposed: bool,
    /// Whether the codes are floats that say more than 16 bits do.
    pub is_wide: bool,
    /// What each code is multiplied by.
    pub scale: Option<Grid>,
    /// What is subtracted from each code before.
    pub zero: Zero,
    /// Which row of the scales and zero points belongs to a row of codes.
    pub rows: Steps,
    /// Which column of them belongs to a column of codes.
    pub columns: Steps,
    /// Of codes, scales and all else.
    pub bytes: u64,
}

/// What is subtracted from codes.
#[derive(Clone, Debug, PartialEq)]
pub enum Zero {
    /// Nothing.
    None,
    /// The same from all.
    Same(f32),
    /// Stored numbers, laid out as the scales are, and so much more.
    Stored(Grid, f32),
}

/// From a row or column of codes to that of the scales.
#[derive(Clone, Debug, PartialEq)]
pub enum Steps {
    /// So many share one.
    Every(u64),
    /// The number of each is listed.
    Listed {
        /// Where the list begins.
        at: Position,
        /// What it consists of.
        number: NumberRef,
        /// How many share one where the list is of -1, which some write for no order at all.
        otherwise: u64,
    },
}

/// Makes codes of tensors by a document's settings; those that it finds nothing for stay as they are.
type Method = fn(&mut Pieces<'_>, &Json) -> Result<(), OpenError>;

/// `quant_method` of a `quantization_config`, and who reads what it left behind.
const METHODS: &[(&str, Method)] = &[
    ("", scaled::by_names),
    ("fp8", scaled::fp8),
    ("fbgemm_fp8", scaled::by_names),
    ("modelopt", scaled::by_names),
    ("compressed-tensors", compressed::read),
    ("gptq", gptq::gptq),
    ("awq", gptq::awq),
    (BITSANDBYTES, bitsandbytes),
    // Read by the family that has it, for it stays as it is.
    ("mxfp4", |_, _| Ok(())),
];

/// The one that is known and refused.
const BITSANDBYTES: &str = "bitsandbytes";

/// Where a config says how its weights were quantized.
const SETTINGS: &[&str] = &["/quantization_config", "/compression_config", "/text_config/quantization_config"];

/// Puts the pieces of codes together.
pub(super) fn assemble(
    files: &[SourceFile],
    tensors: Vec<StoredTensor>,
    config: &Json,
    path: &Path,
) -> Result<Vec<StoredTensor>, OpenError> {
    let mut pieces = Pieces::new(files, tensors, path);
    let settings = SETTINGS.iter().find_map(|pointer| config.pointer(pointer).filter(|found| found.is_object()));
    let settings = settings.unwrap_or(&Json::Null);
    let has = |key: &str| settings[key].as_bool() == Some(true);
    let method = match settings["quant_method"].as_str() {
        None if has("load_in_4bit") || has("load_in_8bit") => BITSANDBYTES,
        named => named.unwrap_or_default(),
    };
    let Some((_, read)) = METHODS.iter().find(|(name, _)| *name == method) else {
        let known = METHODS.iter().map(|(name, _)| *name).filter(|name| !["", BITSANDBYTES].contains(name));
        let known = known.collect::<Vec<_>>().join(", ");
        return Err(pieces.unreadable(&format!(
            "its quantization_config has the quant_method {method:?}, and this version of Tuck reads {known}"
        )));
    };
    read(&mut pieces, settings)?;
    scaled::alone(&mut pieces)?;
    Ok(pieces.finish())
}

/// Their codes mean something only with the library's own tables.
fn bitsandbytes(pieces: &mut Pieces<'_>, _: &Json) -> Result<(), OpenError> {
    let name = ["weight.absmax", "weight.quant_state.bitsandbytes__nf4", "SCB"].into_iter().find_map(|ending| {
        let found = pieces.modules(&format!(".{ending}"));
        found.first().map(|module| format!("{module}.{ending}"))
    });
    match name {
        // A model that was meant to be quantized when it is loaded, and is still whole.
        None => Ok(()),
        Some(name) => Err(pieces.unreadable(&format!(
            "the tensor {name} belongs to weights that bitsandbytes quantized, which this version of Tuck does not read"
        ))),
    }
}
