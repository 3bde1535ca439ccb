//! String tensors: lengths, a checksum of the lengths, then the bytes of all strings.

use prost::bytes::Bytes;

use super::sorted_table::{mask, varint};

/// Splits the bytes of a tensor of `count` strings; `count` is at most the number of bytes. `masked` is the checksum that
/// they must have, if they are to be compared with one.
pub(super) fn read(bytes: &Bytes, count: usize, masked: Option<u32>) -> Result<Vec<Bytes>, String> {
    let broken = || "its strings do not parse".to_owned();
    let mut cursor: &[u8] = bytes;
    let mut lengths = Vec::with_capacity(count);
    let mut crc = 0;
    for _ in 0..count {
        let length = varint(&mut cursor).ok_or_else(broken)?;
        crc = match u32::try_from(length) {
            Ok(short) => crc32c::crc32c_append(crc, &short.to_le_bytes()),
            Err(_) => crc32c::crc32c_append(crc, &length.to_le_bytes()),
        };
        lengths.push(usize::try_from(length).map_err(|_| broken())?);
    }
    let (stored, rest) = cursor.split_first_chunk::<4>().ok_or_else(broken)?;
    if masked.is_some() && *stored != mask(crc).to_le_bytes() {
        return Err("the lengths of its strings do not have their checksum".to_owned());
    }
    crc = crc32c::crc32c_append(crc, stored);
    crc = crc32c::crc32c_append(crc, rest);
    if masked.is_some_and(|masked| mask(crc) != masked) {
        return Err("its bytes do not have their checksum".to_owned());
    }
    let mut start = bytes.len() - rest.len();
    let mut strings = Vec::with_capacity(count);
    for length in lengths {
        let end = start.checked_add(length).filter(|&end| end <= bytes.len()).ok_or_else(broken)?;
        strings.push(bytes.slice(start..end));
        start = end;
    }
    if start != bytes.len() {
        return Err(broken());
    }
    Ok(strings)
}
