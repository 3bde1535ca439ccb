//! Damaged files are refused; none of them makes the reader panic, hang or allocate without bound.

mod models;

use planish_tflite::{Error, read, read_file, write};
use proptest::prelude::*;

#[test]
fn other_files_are_refused() {
    assert!(matches!(read(Vec::new()), Err(Error::NotTflite(_))));
    assert!(matches!(read(b"PK\x03\x04 some archive".to_vec()), Err(Error::NotTflite(_))));
    assert!(matches!(read_file("/no/such/file.tflite"), Err(Error::Read { .. })));
    assert!(matches!(read_file(std::env::temp_dir()), Err(Error::Read { .. })));
}

#[test]
fn a_cut_file_is_refused() {
    let file = write(&models::dense()).expect("the model can be written");
    for len in 0..file.len() {
        assert!(read(file[..len].to_vec()).is_err(), "the first {len} of {} bytes", file.len());
    }
}

#[test]
fn every_changed_byte_is_survived() {
    for (_, model) in models::all() {
        let file = write(&model).expect("the model can be written");
        for at in 0..file.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                if let Ok(model) = read(damaged) {
                    // What could be read is either written or refused.
                    let _ = write(&model);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn noise_behind_the_identifier_is_survived(mut bytes in prop::collection::vec(any::<u8>(), 8..512)) {
        bytes[4..8].copy_from_slice(b"TFL3");
        let _ = read(bytes);
    }

    #[test]
    fn several_changed_words_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), -4i32..300), 1..6)) {
        let mut file = write(&models::looped()).expect("the model can be written");
        for (at, value) in changes {
            let at = at.index(file.len() / 4) * 4;
            if at != 4 {
                file[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
        }
        if let Ok(model) = read(file) {
            let _ = write(&model);
        }
    }
}
