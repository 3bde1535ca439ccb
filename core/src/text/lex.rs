//! From text to tokens.

use std::borrow::Cow;
use std::fmt;

use super::ParseError;
use super::quote::{bare_name_len, word_len};

/// What names a value in the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum ValueName<'t> {
    /// `%3`: a value without a name.
    Number(u64),
    /// `%name` or `%name~2`: the first or second value of this name.
    Named(Cow<'t, str>, u32),
}

/// The smallest part of a text that means something.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token<'t> {
    Word(&'t str),
    Number(&'t str),
    Text(Cow<'t, [u8]>),
    Value(ValueName<'t>),
    Graph(Cow<'t, str>),
    Label(u64),
    Sign(&'static str),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) | Token::Number(text) => write!(f, "`{text}`"),
            Token::Text(_) => f.write_str("a text in quotes"),
            Token::Value(ValueName::Number(n)) => write!(f, "`%{n}`"),
            Token::Value(ValueName::Named(name, 1)) => write!(f, "`%{name}`"),
            Token::Value(ValueName::Named(name, which)) => write!(f, "`%{name}~{which}`"),
            Token::Graph(name) => write!(f, "`@{name}`"),
            Token::Label(n) => write!(f, "`^{n}`"),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => f.write_str("the end of the text"),
        }
    }
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<'t> {
    pub(super) token: Token<'t>,
    pub(super) at: usize,
    pub(super) first_on_line: bool,
}

/// The error at byte `at` of the text.
pub(super) fn error_at(text: &str, at: usize, problem: impl Into<String>) -> ParseError {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1);
    ParseError {
        line: before.iter().filter(|&&b| b == b'\n').count() + 1,
        column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
        problem: problem.into(),
    }
}

const SIGNS: &[&str] = &["->", "..", "{", "}", "(", ")", "[", "]", "=", ",", ":", "?"];

/// All tokens of a text; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let first_on_line = lexer.skip_blank() || tokens.is_empty();
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push(Placed { token, at, first_on_line });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error<T>(&self, problem: impl Into<String>) -> Result<T, ParseError> {
        Err(error_at(self.text, self.at, problem))
    }

    fn take(&mut self, len: usize) -> &'t str {
        let part = &self.rest()[..len];
        self.at += len;
        part
    }

    /// Skips space and comments; whether a line ended there.
    fn skip_blank(&mut self) -> bool {
        let mut line_ended = false;
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            line_ended |= rest[..blank].contains('\n');
            self.at += blank;
            if !self.rest().starts_with("//") {
                return line_ended;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn token(&mut self) -> Result<Token<'t>, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        match first {
            '"' => Ok(Token::Text(self.quoted()?)),
            '%' => self.value(),
            '@' => {
                self.at += 1;
                Ok(Token::Graph(self.name("a name of a graph")?))
            }
            '^' => {
                self.at += 1;
                Ok(Token::Label(self.digits("the number of a label")?))
            }
            '0'..='9' | '-' | '+' => self.number(),
            _ if word_len(rest) > 0 => Ok(Token::Word(self.take(word_len(rest)))),
            other => self.error(format!("`{}` means nothing here", other.escape_debug())),
        }
    }

    fn number(&mut self) -> Result<Token<'t>, ParseError> {
        let bytes = self.rest().as_bytes();
        let mut len = 1;
        while let Some(&byte) = bytes.get(len) {
            let goes_on = match byte {
                b'.' => bytes.get(len + 1) != Some(&b'.'),
                b'+' | b'-' => matches!(bytes[len - 1], b'e' | b'E') && bytes[1] != b'x',
                _ => byte.is_ascii_alphanumeric() || byte == b'_',
            };
            if !goes_on {
                break;
            }
            len += 1;
        }
        if len == 1 && !bytes[0].is_ascii_digit() {
            return self.error("a sign without a number");
        }
        Ok(Token::Number(self.take(len)))
    }

    fn digits(&mut self, what: &str) -> Result<u64, ParseError> {
        let len = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        match self.rest()[..len].parse() {
            Ok(number) => {
                self.at += len;
                Ok(number)
            }
            Err(_) => self.error(format!("expected {what}")),
        }
    }

    fn value(&mut self) -> Result<Token<'t>, ParseError> {
        self.at += 1;
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Token::Value(ValueName::Number(self.digits("the number of a value")?)));
        }
        let name = self.name("a name of a value")?;
        let mut which = 1;
        if self.rest().starts_with('~') {
            self.at += 1;
            let number = self.digits("which value of this name it is")?;
            match u32::try_from(number) {
                Ok(number) => which = number,
                Err(_) => return self.error("no model has so many values of one name"),
            }
        }
        Ok(Token::Value(ValueName::Named(name, which)))
    }

    fn name(&mut self, what: &str) -> Result<Cow<'t, str>, ParseError> {
        let at = self.at;
        if self.rest().starts_with('"') {
            return match self.quoted()? {
                Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
                Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
            }
            .ok_or_else(|| error_at(self.text, at, "a name has to be UTF-8"));
        }
        match bare_name_len(self.rest()) {
            0 => self.error(format!("expected {what}, bare or in quotes")),
            len => Ok(Cow::Borrowed(self.take(len))),
        }
    }

    fn quoted(&mut self) -> Result<Cow<'t, [u8]>, ParseError> {
        let open = self.at;
        self.at += 1;
        let mut out: Option<Vec<u8>> = None;
        loop {
            let rest = self.rest();
            let plain = rest.find(['"', '\\', '\n']).unwrap_or(rest.len());
            let text = self.take(plain).as_bytes();
            match (self.rest().as_bytes().first(), &mut out) {
                (Some(b'"'), None) => {
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                (Some(b'"'), Some(out)) => {
                    self.at += 1;
                    out.extend_from_slice(text);
                    return Ok(Cow::Owned(std::mem::take(out)));
                }
                (Some(b'\\'), _) => {
                    let out = out.get_or_insert_default();
                    out.extend_from_slice(text);
                    self.escape(out)?;
                }
                _ => return Err(error_at(self.text, open, "the text in quotes does not end on its line")),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), ParseError> {
        let rest = self.rest();
        let simple = match rest.as_bytes().get(1) {
            Some(b'n') => Some(b'\n'),
            Some(b't') => Some(b'\t'),
            Some(b'r') => Some(b'\r'),
            Some(&c @ (b'"' | b'\\')) => Some(c),
            _ => None,
        };
        if let Some(byte) = simple {
            out.push(byte);
            self.at += 2;
            return Ok(());
        }
        if let Some(byte) = rest
            .strip_prefix("\\x")
            .and_then(|r| super::quote::from_hex(r.as_bytes().get(..2)?))
        {
            out.extend(byte);
            self.at += 4;
            return Ok(());
        }
        let code = rest.strip_prefix("\\u{").and_then(|r| Some((r, r.find('}')?)));
        if let Some((digits, end)) = code
            && end <= 6
            && let Some(c) = u32::from_str_radix(&digits[..end], 16).ok().and_then(char::from_u32)
        {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            self.at += end + 4;
            return Ok(());
        }
        self.error("an escape is one of \\n, \\t, \\r, \\\", \\\\, \\xNN and \\u{…}")
    }
}
