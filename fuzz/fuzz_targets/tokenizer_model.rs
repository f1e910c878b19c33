//! A model whose `tokenizer.model` is anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tuck_fuzz::open_with("tokenizer.model", bytes));
