//! An importance matrix of either form that is anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = tuck_fuzz::write("imatrix", bytes);
    let _ = tuck_fuzz::bounded(bytes.len(), || tuck::imatrix::Imatrix::open(&path));
});
