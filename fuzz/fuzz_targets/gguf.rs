//! A GGUF file that is anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = tuck_fuzz::write("model.gguf", bytes);
    let _ = tuck_fuzz::bounded(bytes.len(), || tuck::model::Model::open(&path));
});
