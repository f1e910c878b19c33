//! A model whose `model.safetensors.index.json` is anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tuck_fuzz::open_with("model.safetensors.index.json", bytes));
