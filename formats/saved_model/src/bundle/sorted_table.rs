//! The LevelDB table format of a bundle's index: blocks of prefix-compressed entries under an index block.
//!
//! `blocks … | index block | footer of 48 bytes`. A block is followed by its compression (one byte) and the
//! masked CRC-32C of both. The footer holds the index block's place and ends with a magic number.

const FOOTER: usize = 48;
const MAGIC: [u8; 8] = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
/// Compression byte and checksum.
const TRAILER: usize = 5;
/// The most that one compressed block may grow to.
const MAX_BLOCK: usize = 64 << 20;
/// Compression makes keys and values together no more than this many times as large as the file: one with long names
/// comes to a tenth of that.
const MAX_GROWTH: usize = 64;

/// The form in which checksums are stored.
pub(crate) fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Calls `entry` with every key and value, in ascending order of keys; `verify` compares checksums. An error says what is wrong.
pub(crate) fn read(bytes: &[u8], verify: bool, mut entry: impl FnMut(&[u8], &[u8]) -> Result<(), String>) -> Result<(), String> {
    if bytes.len() < FOOTER {
        return Err(format!("it has only {} bytes", bytes.len()));
    }
    let (body, footer) = bytes.split_at(bytes.len() - FOOTER);
    if footer[FOOTER - MAGIC.len()..] != MAGIC {
        return Err("it does not end like a checkpoint index".to_owned());
    }
    let mut cursor = &footer[..FOOTER - MAGIC.len()];
    let footer_handle = "its footer does not parse";
    handle(&mut cursor).ok_or(footer_handle)?;
    let index = handle(&mut cursor).ok_or(footer_handle)?;
    let index = block(body, index, verify)?;
    let mut blocks = Vec::new();
    let mut budget = body.len();
    each_entry(&index, |_, mut value| {
        let place = handle(&mut value).ok_or("an index entry does not parse")?;
        // Blocks do not overlap in a sound file, so together they are no longer than it.
        budget = budget.checked_sub(place.1).ok_or("its blocks overlap")?;
        blocks.push(place);
        Ok(())
    })?;
    let mut room = bytes.len().saturating_mul(MAX_GROWTH);
    let mut previous: Option<Vec<u8>> = None;
    for place in blocks {
        let block = block(body, place, verify)?;
        each_entry(&block, |key, value| {
            let size = key.len() + value.len();
            room = room.checked_sub(size).ok_or("its names are too long for its size")?;
            if previous.as_deref().is_some_and(|p| p >= key) {
                return Err("its keys are not in ascending order".to_owned());
            }
            previous.get_or_insert_default().clear();
            previous.get_or_insert_default().extend_from_slice(key);
            entry(key, value)
        })?;
    }
    Ok(())
}

/// A varint of at most 64 bits, taken from the front.
pub(super) fn varint(cursor: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (i, &byte) in cursor.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        if i == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * i);
        if byte & 0x80 == 0 {
            *cursor = &cursor[i + 1..];
            return Some(value);
        }
    }
    None
}

fn length(cursor: &mut &[u8]) -> Option<usize> {
    varint(cursor).and_then(|v| usize::try_from(v).ok())
}

/// Offset and size of a block.
fn handle(cursor: &mut &[u8]) -> Option<(usize, usize)> {
    Some((length(cursor)?, length(cursor)?))
}

/// The contents of a block, verified if asked for, and decompressed.
fn block(body: &[u8], (offset, size): (usize, usize), verify: bool) -> Result<std::borrow::Cow<'_, [u8]>, String> {
    let outside = || format!("it has {} bytes, too few for its block at byte {offset}", body.len() + FOOTER);
    let end = offset.checked_add(size).ok_or_else(outside)?;
    let stored = body.get(offset..end).ok_or_else(outside)?;
    let trailer = body.get(end..).and_then(|rest| rest.get(..TRAILER)).ok_or_else(outside)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(stored), &trailer[..1]);
    if verify && trailer[1..] != mask(crc).to_le_bytes() {
        return Err(format!("the block at byte {offset} does not have its checksum"));
    }
    match trailer[0] {
        0 => Ok(stored.into()),
        1 => {
            let grown = snap::raw::decompress_len(stored).map_err(|e| format!("a block does not decompress ({e})"))?;
            if grown > MAX_BLOCK {
                return Err(format!("a block claims to decompress to {grown} bytes"));
            }
            let plain = snap::raw::Decoder::new()
                .decompress_vec(stored)
                .map_err(|e| format!("a block does not decompress ({e})"))?;
            Ok(plain.into())
        }
        other => Err(format!("a block has the unknown compression {other}")),
    }
}

/// Calls `entry` with every key and value of one block.
fn each_entry(block: &[u8], mut entry: impl FnMut(&[u8], &[u8]) -> Result<(), String>) -> Result<(), String> {
    let broken = || "a block does not parse".to_owned();
    let (rest, count) = block.split_last_chunk::<4>().ok_or_else(broken)?;
    let restarts = (u32::from_le_bytes(*count) as usize).checked_mul(4).ok_or_else(broken)?;
    let mut cursor = rest.len().checked_sub(restarts).map(|end| &rest[..end]).ok_or_else(broken)?;
    let mut key = Vec::new();
    while !cursor.is_empty() {
        let shared = length(&mut cursor).ok_or_else(broken)?;
        let unshared = length(&mut cursor).ok_or_else(broken)?;
        let value = length(&mut cursor).ok_or_else(broken)?;
        if shared > key.len() || unshared > cursor.len() || value > cursor.len() - unshared {
            return Err(broken());
        }
        key.truncate(shared);
        key.extend_from_slice(&cursor[..unshared]);
        let (value, after) = cursor[unshared..].split_at(value);
        entry(&key, value)?;
        cursor = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_ends_where_it_says() {
        let mut cursor: &[u8] = &[0xac, 0x02, 7];
        assert_eq!(varint(&mut cursor), Some(300));
        assert_eq!(cursor, [7]);
        assert_eq!(varint(&mut &[0xff; 12][..]), None);
        assert_eq!(varint(&mut &[0x80][..]), None);
    }
    /// A table of one block with these bytes.
    fn table(block: &[u8]) -> Vec<u8> {
        let mut table = Vec::new();
        let mut append = |block: &[u8]| {
            let place = table.len();
            let crc = crc32c::crc32c_append(crc32c::crc32c(block), &[0]);
            table.extend_from_slice(block);
            table.push(0);
            table.extend_from_slice(&mask(crc).to_le_bytes());
            let length = block.len();
            let number = |n: usize| [n as u8 | 0x80, (n >> 7) as u8 | 0x80, (n >> 14) as u8];
            [number(place), number(length)].concat()
        };
        let place = append(block);
        let index = append(&[&[0, 1, 6, 0xff], &place[..], &[0, 0, 0, 0]].concat());
        table.extend_from_slice(&[0, 0]);
        table.extend_from_slice(&index);
        table.resize(table.len() + 40 - 2 - index.len(), 0);
        table.extend_from_slice(&MAGIC);
        table
    }

    #[test]
    fn names_in_common_do_not_grow_beyond_reason() {
        // A key of 1000 bytes, then ones that repeat it but for two.
        let mut block = [&[0, 0xe8, 0x07, 0][..], &[b'a'; 1000]].concat();
        for n in 0..5000u32 {
            block.extend_from_slice(&[0xe6, 0x07, 2, 0]);
            block.extend_from_slice(&(0x6200 + n as u16).to_be_bytes());
        }
        block.extend_from_slice(&[0, 0, 0, 0]);
        let mut seen = 0;
        let result = read(&table(&block), true, |_, _| {
            seen += 1;
            Ok(())
        });
        assert_eq!(result, Err("its names are too long for its size".to_owned()));
        assert!((1000..5000).contains(&seen), "{seen}");
        let sound = [&[0, 1, 0, b'a', 1, 1, 0, b'b'][..], &[0, 0, 0, 0]].concat();
        assert_eq!(read(&table(&sound), true, |_, _| Ok(())), Ok(()));
    }
}
