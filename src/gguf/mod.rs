//! The GGUF container: metadata values, tensor infos, reading and writing. It knows no model.
//!
//! Layout (version 3, little endian, `docs/gguf.md` of ggml): magic, version, tensor count, metadata count, metadata
//! pairs, tensor infos, padding to the alignment, tensor data. A tensor's offset counts from the start of the data.

mod read;
mod split;
mod value;
mod write;

pub use read::{GgufError, Header, TensorInfo, read_header};
pub use split::{MAX_SHARDS, Shard};
pub use value::{Array, Value, ValueType};
pub use write::{HeaderTensor, Layout, encode_header, lay_out, pair_len, tensor_len};

/// Keys and values, in file order.
pub type Metadata = Vec<(String, Value)>;

/// Sets a key; one that is there keeps its place.
pub fn set(metadata: &mut Metadata, key: &str, value: Value) {
    match metadata.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => metadata.push((key.to_owned(), value)),
    }
}

/// The first four bytes of every GGUF file.
pub const MAGIC: [u8; 4] = *b"GGUF";

/// Tensor data starts at a multiple of this where `general.alignment` says nothing.
pub const DEFAULT_ALIGNMENT: u64 = 32;

/// ggml holds a tensor's name in 64 bytes, the closing zero included.
pub const MAX_TENSOR_NAME: usize = 63;

/// ggml's tensors have at most four dimensions.
pub const MAX_DIMENSIONS: usize = 4;
