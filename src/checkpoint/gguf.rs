//! GGUF files, whole or split as llama.cpp's gguf-split does it.

use super::{Checkpoint, Contents, OpenError, Precision, SourceFile, StoredTensor, refuse_duplicates};
use crate::gguf::{self, GgufError, Header, Shard};
use std::io;
use std::path::Path;

/// Opens a file, and where it is one of several, all of them.
pub(super) fn open(path: &Path) -> Result<Checkpoint, OpenError> {
    let (file, mut header) = read(path)?;
    let shard = Shard::take(&mut header.metadata).map_err(|error| refused(path, &error))?;
    let (files, headers) = match shard {
        None => (vec![file], vec![header]),
        Some(shard) => open_shards(path, shard)?,
    };
    let stored = |(file, header): (usize, &mut Header)| {
        let tensors = std::mem::take(&mut header.tensors).into_iter();
        tensors.map(move |t| StoredTensor {
            name: t.name,
            shape: t.shape,
            precision: Precision::Format(t.format),
            file,
            offset: t.offset,
            bytes: t.bytes,
        })
    };
    let mut headers = headers;
    let tensors: Vec<StoredTensor> = headers.iter_mut().enumerate().flat_map(stored).collect();
    refuse_duplicates(&files, &tensors)?;
    if let Some(shard) = shard.filter(|shard| shard.tensors != tensors.len()) {
        return Err(OpenError::new(
            path,
            format!(
                "its model has {} tensors, and the {} files hold {}; they do not belong together, so download them again",
                shard.tensors,
                shard.count,
                tensors.len()
            ),
        ));
    }
    let metadata = headers.swap_remove(0).metadata;
    Ok(Checkpoint { path: path.to_owned(), files, tensors, contents: Contents::Gguf(metadata) })
}

fn read(path: &Path) -> Result<(SourceFile, Header), OpenError> {
    let file = SourceFile::open(path)?;
    let header = gguf::read_header(io::BufReader::with_capacity(1 << 16, file.reader()), file.bytes)
        .map_err(|error| refused(path, &error))?;
    Ok((file, header))
}

fn refused(path: &Path, error: &GgufError) -> OpenError {
    match error {
        GgufError::Truncated { .. } => OpenError::new(path, format!("{error}; download it again")),
        other => OpenError::new(path, other.to_string()),
    }
}

/// Opens all files of the model that `path` is one of, in order.
fn open_shards(path: &Path, named: Shard) -> Result<(Vec<SourceFile>, Vec<Header>), OpenError> {
    let Shard { index, count, .. } = named;
    let Some(whole) = named.whole(path) else {
        return Err(OpenError::new(
            path,
            format!(
                "it says that it is part {} of {count}, and its name does not end in {}, by which the other parts are found; \
                 give all parts the names they were published with",
                index + 1,
                named.ending()
            ),
        ));
    };
    let (mut files, mut headers) = (Vec::new(), Vec::<Header>::new());
    for index in 0..count {
        let expected = Shard { index, ..named };
        let part = expected.path(&whole);
        if !part.is_file() {
            return Err(OpenError::new(
                part,
                format!("this part of a model in {count} files is not there; download it"),
            ));
        }
        let (file, mut header) = read(&part)?;
        let found = Shard::take(&mut header.metadata).map_err(|error| refused(&part, &error))?;
        if found != Some(expected) {
            let says = found.map_or("nothing of a model in several files".to_owned(), describe);
            let (expected, path) = (describe(expected), path.display());
            return Err(OpenError::new(
                part,
                format!("by {path} it should be {expected}, and it says {says}; download all parts of one model again"),
            ));
        }
        if let Some(first) = headers.first()
            && let Some((key, value)) = header.metadata.iter().find(|pair| !first.metadata.contains(pair))
        {
            return Err(OpenError::new(
                part,
                format!(
                    "it says that {key} is {value}, and the first part does not; it belongs to another model, so download \
                     all parts again"
                ),
            ));
        }
        files.push(file);
        headers.push(header);
    }
    Ok((files, headers))
}

fn describe(shard: Shard) -> String {
    format!("part {} of {} of a model of {} tensors", shard.index + 1, shard.count, shard.tensors)
}
