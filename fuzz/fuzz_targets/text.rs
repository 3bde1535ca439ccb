//! The text form under random input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| planish_fuzz::text(data));
