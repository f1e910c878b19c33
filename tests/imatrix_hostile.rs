//! Importance matrices that nobody vouches for: each is refused in a sentence, and none is believed.

use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tuck::gguf::{self, HeaderTensor, Metadata, Value};
use tuck::imatrix::{Imatrix, ImatrixError};
use tuck::quant::{F16, F32, FormatRef, Search};

fn open(bytes: &[u8]) -> Result<Imatrix, ImatrixError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.imatrix");
    fs::write(&path, bytes).unwrap();
    Imatrix::open(&path)
}

fn refused(what: &str, words: &[&str], bytes: &[u8]) {
    let message = open(bytes).expect_err(what).to_string();
    for word in words.iter().chain(&["bad.imatrix"]) {
        assert!(message.contains(word), "{what}: the message lacks {word:?}: {message}");
    }
}

fn sample(form: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read(root.join(PathBuf::from_iter(["tests/data/imatrix", &format!("sample.{form}")]))).unwrap()
}

/// An entry of the `.dat` form.
fn entry(name: &[u8], chunks: i32, values: &[f32]) -> Vec<u8> {
    let mut out = (name.len() as i32).to_le_bytes().to_vec();
    out.extend(name);
    out.extend(chunks.to_le_bytes());
    out.extend((values.len() as i32).to_le_bytes());
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    out
}

fn dat(entries: &[Vec<u8>]) -> Vec<u8> {
    [(entries.len() as i32).to_le_bytes().to_vec(), entries.concat()].concat()
}

#[test]
fn files_of_the_dat_form() {
    let good = dat(&[entry(b"a.weight", 2, &[2.0, 4.0]), entry(b"b.weight", 0, &[3.0])]);
    let read = open(&good).unwrap();
    assert_eq!((&read.columns["a.weight"][..], &read.columns["b.weight"][..]), (&[1.0, 2.0][..], &[3.0][..]));

    let patched = |at: usize, value: i32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    refused("nothing", &["0 bytes", "llama-imatrix"], b"");
    refused("three bytes", &["3 bytes"], b"abc");
    refused("text", &["neither"], b"This is a text, and its first four bytes are a very large number.");
    for count in [0, -1, i32::MIN, i32::MAX, 1000] {
        refused("entries", &["neither", "entries"], &patched(0, count));
    }
    refused("one entry more than there are", &["entry 3 of 3", "0 are left"], &{
        let mut bytes = dat(&[entry(b"a", 1, &[1.0; 20])]);
        bytes[0] = 3;
        bytes.extend(entry(b"b", 1, &[1.0]));
        bytes
    });
    for length in [0, -5, 64, i32::MAX] {
        refused("name length", &["entry 1 of 2", &length.to_string(), "1 to 63"], &patched(4, length));
    }
    refused(
        "name longer than the file",
        &["entry 1 of 1", "63 bytes"],
        &[&[1, 0, 0, 0, 63, 0, 0, 0][..], &[97; 20]].concat(),
    );
    refused("name", &["entry 1 of 1", "UTF-8"], &dat(&[entry(b"\xff\xfe", 1, &[1.0])]));
    for count in [0, -1, i32::MIN] {
        refused("values", &["a.weight", &format!("{count} values")], &patched(20, count));
    }
    refused("values beyond the file", &["a.weight", "8589934588 bytes", "download"], &patched(20, i32::MAX));
    refused("chunks", &["a.weight", "-1 chunks"], &patched(16, -1));
    refused(
        "twice",
        &["two entries", "a.weight"],
        &dat(&[entry(b"a.weight", 1, &[1.0]), entry(b"a.weight", 1, &[1.0])]),
    );
    for value in [f32::NAN, f32::INFINITY, -1.0, -1e-30] {
        let words = ["a.weight", "value 1", &value.to_string()];
        refused("a value", &words, &dat(&[entry(b"a.weight", 1, &[1.0, value])])[..]);
    }
    for (length, what) in [(5, "5 bytes"), (i32::MAX, "2147483647 bytes")] {
        let trailer = [7i32.to_le_bytes(), length.to_le_bytes()].concat();
        refused("name of the text", &["name of the text", what], &[good.clone(), trailer, b"ab".to_vec()].concat());
    }
}

type Stored<'a> = (&'a str, &'a [u64], FormatRef, &'a [f32]);

/// A GGUF file of these tensors.
fn gguf_of(metadata: &[(&str, Value)], tensors: &[Stored<'_>]) -> Vec<u8> {
    let metadata: Metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let listed: Vec<_> = tensors.iter().map(|&(name, shape, format, _)| HeaderTensor { name, shape, format }).collect();
    let header_len = gguf::encode_header(&metadata, &listed, &vec![0; listed.len()]).len() as u64;
    let bytes = |&(_, shape, format, _): &Stored<'_>| format.bytes(shape.iter().product());
    let layout = gguf::lay_out(header_len, tensors.iter().map(bytes), 32);
    let offsets: Vec<u64> = layout.offsets.iter().map(|offset| offset - layout.header_bytes).collect();
    let mut out = gguf::encode_header(&metadata, &listed, &offsets);
    for (&(_, _, format, values), offset) in tensors.iter().zip(layout.offsets) {
        out.resize(offset as usize, 0);
        let at = out.len();
        out.resize(at + format.bytes(values.len() as u64) as usize, 0);
        (format.quantize)(values, Search::default(), &mut out[at..]);
    }
    out.resize(layout.file_bytes as usize, 0);
    out
}

#[test]
fn files_of_the_gguf_form() {
    let is_imatrix = [("general.type", Value::from("imatrix"))];
    let of = |tensors: &[Stored<'_>]| gguf_of(&is_imatrix, tensors);
    let sums: Stored<'_> = ("a.weight.in_sum2", &[4], &F32, &[1.0, 2.0, 3.0, 4.0]);
    let counts: Stored<'_> = ("a.weight.counts", &[1], &F32, &[2.0]);
    assert_eq!(open(&of(&[sums, counts])).unwrap().columns["a.weight"], [0.5, 1.0, 1.5, 2.0]);

    refused(
        "a model",
        &["general.type model", "imatrix"],
        &gguf_of(&[("general.type", "model".into())], &[sums, counts]),
    );
    refused("no type", &["general.type missing"], &gguf_of(&[], &[sums, counts]));
    refused("a type that is a number", &["general.type"], &gguf_of(&[("general.type", 3u32.into())], &[sums, counts]));
    refused("chunks", &["imatrix.chunk_count", "string", "u32"], &{
        let chunks = ("imatrix.chunk_count", Value::from("many"));
        gguf_of(&[is_imatrix[0].clone(), chunks], &[sums, counts])
    });
    refused("no tensors", &["says nothing"], &of(&[]));
    refused("other tensors", &["says nothing"], &of(&[("a.weight", &[4], &F32, &[0.0; 4])]));
    refused("no counts", &["a.weight.counts is missing"], &of(&[sums]));
    refused("no sums", &["a.weight.in_sum2 is missing"], &of(&[counts]));
    refused("halves", &["a.weight.in_sum2", "F16", "F32"], &of(&[("a.weight.in_sum2", &[4], &F16, &[0.0; 4]), counts]));
    refused("three experts in four values", &["a.weight.in_sum2 has 4 values", "multiple of the 3"], &{
        of(&[sums, ("a.weight.counts", &[1, 3], &F32, &[1.0; 3])])
    });
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 1e30] {
        let words = ["a.weight.counts", "value 0", &value.to_string()];
        refused("a count", &words, &of(&[sums, ("a.weight.counts", &[1], &F32, &[value])]));
    }
    for value in [f32::NAN, f32::INFINITY, -2.0] {
        let values = [1.0, 1.0, value, 1.0];
        refused("a sum", &["tensor a.weight", "value 2"], &of(&[("a.weight.in_sum2", &[4], &F32, &values), counts]));
    }
    // A name of nothing is a name.
    assert!(open(&of(&[(".in_sum2", &[1], &F32, &[1.0]), (".counts", &[1], &F32, &[1.0])])).is_ok());

    let good = of(&[sums, counts]);
    for (at, what) in [(8, "tensor infos"), (16, "metadata pairs")] {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        refused("a count in the header", &[what, &(1u64 << 60).to_string()], &bytes);
    }
}

#[test]
fn files_cut_short() {
    for (form, may_end) in [("dat", &[75_563 - 23][..]), ("gguf", &[])] {
        let bytes = sample(form);
        let last = if form == "gguf" { bytes.len() - 64 } else { bytes.len() };
        for length in (0..last).step_by(211).chain(last - 60..last).filter(|length| !may_end.contains(length)) {
            assert!(open(&bytes[..length]).is_err(), "{form}, cut after {length} of {} bytes", bytes.len());
        }
    }
}

/// What is read is usable, whatever it was read from.
fn sound(bytes: &[u8]) {
    if let Ok(imatrix) = open(bytes) {
        assert!(imatrix.columns.keys().eq(imatrix.counts.keys()));
        for (name, columns) in &imatrix.columns {
            assert!(!columns.is_empty() && columns.iter().all(|c| c.is_finite() && *c >= 0.0), "{name}: {columns:?}");
            assert_eq!(columns.len() % imatrix.counts[name].len(), 0, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..512), is_gguf: bool) {
        sound(&bytes);
        let start: &[u8] = if is_gguf { b"GGUF\x03\0\0\0" } else { b"\x01\0\0\0\x03\0\0\0" };
        sound(&[start, &bytes].concat());
    }

    #[test]
    fn a_file_with_some_bytes_changed(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), form in 0..2usize) {
        let entries = dat(&[entry(b"a.weight", 2, &[2.0, 4.0]), entry(b"b.weight", 1, &[3.0; 5])]);
        let tensors: [Stored<'_>; 2] = [("a.in_sum2", &[2, 2], &F32, &[1.0; 4]), ("a.counts", &[1, 2], &F32, &[1.0; 2])];
        let mut bytes = [entries, gguf_of(&[("general.type", "imatrix".into())], &tensors)][form].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        sound(&bytes);
    }
}
