//! Names and strings: when they stand bare, and how they are quoted.

use std::fmt::Write;

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the word that the text begins with: letters, digits and underscores.
pub(super) fn word_len(text: &str) -> usize {
    match text.bytes().next() {
        Some(first) if starts_word(first) => text.bytes().take_while(|&b| in_word(b)).count(),
        _ => 0,
    }
}

/// The length of the bare name that the text begins with: words joined by single points and slashes.
pub(super) fn bare_name_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut len = word_len(text);
    while len > 0 && len + 1 < bytes.len() && matches!(bytes[len], b'.' | b'/') && in_word(bytes[len + 1]) {
        len += 1;
        len += bytes[len..].iter().take_while(|&&b| in_word(b)).count();
    }
    len
}

/// Writes the word, or quotes it where it is none.
pub(super) fn word_or_quoted(out: &mut String, text: &str) {
    if !text.is_empty() && word_len(text) == text.len() {
        out.push_str(text);
    } else {
        quoted(out, text.as_bytes());
    }
}

/// Writes the bare name, or quotes it where it is none.
pub(super) fn name_or_quoted(out: &mut String, text: &str) {
    if !text.is_empty() && bare_name_len(text) == text.len() {
        out.push_str(text);
    } else {
        quoted(out, text.as_bytes());
    }
}

/// Writes bytes in quotes; what is not UTF-8 as `\xNN`.
pub(super) fn quoted(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_control() => write!(out, "\\u{{{:x}}}", c as u32).expect("a string takes all"),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a string takes all");
        }
    }
    out.push('"');
}

/// Writes bytes as two hexadecimal digits each, in quotes.
pub(super) fn hex(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for byte in bytes {
        write!(out, "{byte:02x}").expect("a string takes all");
    }
    out.push('"');
}

/// The bytes of hexadecimal digits, or `None` where they are none.
pub(super) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |d: u8| (d as char).to_digit(16).map(|d| d as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}
