//! The keys of tensor slices, an encoding whose bytewise order is the order of what it encodes.

use crate::proto::TensorSlice;

/// The key of one slice of the tensor `name`.
pub(super) fn of_slice(name: &str, slice: &TensorSlice) -> Vec<u8> {
    let mut key = Vec::new();
    push_unsigned(&mut key, 0);
    push_string(&mut key, name.as_bytes());
    push_unsigned(&mut key, slice.extents.len() as u64);
    for extent in &slice.extents {
        push_signed(&mut key, extent.start);
        push_signed(&mut key, extent.length.unwrap_or(-1));
    }
    key
}

/// One byte for the length, then the number in big-endian order without leading zeros.
fn push_unsigned(key: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    let skip = value.leading_zeros() as usize / 8;
    key.push((bytes.len() - skip) as u8);
    key.extend_from_slice(&bytes[skip..]);
}

/// Zeros and 0xff are escaped, since zero followed by one ends the string.
fn push_string(key: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        key.push(byte);
        match byte {
            0x00 => key.push(0xff),
            0xff => key.push(0x00),
            _ => {}
        }
    }
    key.extend_from_slice(&[0x00, 0x01]);
}

/// `n` bytes hold `7 n - 1` bits and a sign; the first `n` bits say how many bytes there are.
fn push_signed(key: &mut Vec<u8>, value: i64) {
    let magnitude = if value < 0 { !value } else { value } as u64;
    let bits = 64 - magnitude.leading_zeros() as usize + 1;
    let length = bits.div_ceil(7).max(1);
    let mut bytes = [if value < 0 { 0xff } else { 0x00 }; 10];
    bytes[2..].copy_from_slice(&value.to_be_bytes());
    let bytes = &mut bytes[10 - length..];
    for bit in 0..length {
        bytes[bit / 8] ^= 0x80 >> (bit % 8);
    }
    key.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(value: i64) -> Vec<u8> {
        let mut key = Vec::new();
        push_signed(&mut key, value);
        key
    }

    #[test]
    fn signed_numbers_keep_their_order() {
        let numbers = [
            i64::MIN,
            -1 << 40,
            -8193,
            -8192,
            -65,
            -64,
            -1,
            0,
            1,
            63,
            64,
            8191,
            8192,
            1 << 40,
            i64::MAX,
        ];
        let keys: Vec<_> = numbers.iter().map(|&n| signed(n)).collect();
        assert!(keys.is_sorted(), "{keys:x?}");
        assert_eq!(signed(-1), [0x7f]);
        assert_eq!(signed(5), [0x85]);
        assert_eq!(signed(64), [0xc0, 0x40]);
    }

    #[test]
    fn unsigned_numbers_start_with_their_length() {
        let mut key = Vec::new();
        push_unsigned(&mut key, 0);
        push_unsigned(&mut key, 258);
        assert_eq!(key, [0, 2, 1, 2]);
    }
}
