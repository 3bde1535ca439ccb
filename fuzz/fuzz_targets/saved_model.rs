//! The SavedModel reader under random input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| planish_fuzz::saved_model(data));
