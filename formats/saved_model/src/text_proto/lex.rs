//! The words, symbols and quoted texts of protobuf's text form.

/// One piece of the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token<'t> {
    /// A name, a number, a choice.
    Word(&'t str),
    /// The bytes between quotes, escapes resolved.
    Text(Vec<u8>),
    /// A single character that separates or encloses.
    Symbol(char),
}

/// Reads a text from its beginning.
pub(super) struct Lexer<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    /// The number of the line that is being read.
    pub(super) fn line(&self) -> usize {
        self.line_at(self.position)
    }

    /// Counts from the beginning, so only for an error.
    fn line_at(&self, position: usize) -> usize {
        self.text.as_bytes()[..position].iter().filter(|&&b| b == b'\n').count() + 1
    }

    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.position) {
            if byte == b'#' {
                while bytes.get(self.position).is_some_and(|&b| b != b'\n') {
                    self.position += 1;
                }
            } else if byte.is_ascii_whitespace() {
                self.position += 1;
            } else {
                return;
            }
        }
    }

    /// The next piece, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'t>>, String> {
        if let Some(text) = self.next_text()? {
            return Ok(Some(Token::Text(text)));
        }
        let rest = &self.text[self.position..];
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "_-+./".contains(c)))
            .unwrap_or(rest.len());
        if length > 0 {
            self.position += length;
            return Ok(Some(Token::Word(&rest[..length])));
        }
        let Some(symbol) = rest.chars().next() else { return Ok(None) };
        self.position += symbol.len_utf8();
        Ok(Some(Token::Symbol(symbol)))
    }

    /// The next piece if it is a quoted text.
    pub(super) fn next_text(&mut self) -> Result<Option<Vec<u8>>, String> {
        self.skip_space();
        let bytes = self.text.as_bytes();
        let Some(&quote @ (b'"' | b'\'')) = bytes.get(self.position) else {
            return Ok(None);
        };
        let start = self.position;
        let unfinished = |lexer: &Self| format!("line {}: a quoted text does not end", lexer.line_at(start));
        self.position += 1;
        let mut text = Vec::new();
        loop {
            let byte = *bytes.get(self.position).ok_or_else(|| unfinished(self))?;
            // The bytes of one character are taken one by one, so the position returns to a boundary.
            self.position += 1;
            match byte {
                b'\\' => match self.escape() {
                    Some(byte) => text.push(byte),
                    None => return Err(unfinished(self)),
                },
                _ if byte == quote => return Ok(Some(text)),
                _ => text.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        let byte = *bytes.get(self.position)?;
        if !byte.is_ascii() {
            return None;
        }
        self.position += 1;
        Some(match byte {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'x' | b'X' => self.number(16, 2)?,
            b'0'..=b'7' => {
                self.position -= 1;
                self.number(8, 3)?
            }
            other => other,
        })
    }

    fn number(&mut self, radix: u32, most: usize) -> Option<u8> {
        let mut value = None;
        for _ in 0..most {
            let digit = self.text.as_bytes().get(self.position).and_then(|&b| char::from(b).to_digit(radix));
            let Some(digit) = digit else { break };
            value = Some((value.unwrap_or(0u32) * radix + digit) & 0xff);
            self.position += 1;
        }
        value.map(|v| v as u8)
    }
}
