//! A pipeline on a model, both as text under random input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| planish_fuzz::pipeline(data));
