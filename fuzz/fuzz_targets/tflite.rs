//! The TFLite reader and writer under random input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| planish_fuzz::tflite(data));
