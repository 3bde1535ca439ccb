//! The text form of protobuf (`saved_model.pbtxt`), turned into the binary form of the same message.
//!
//! Only fields that are read have a row in the table of their message; others are skipped.

mod fields;
mod lex;

use fields::{Kind, Message, data_type};
use lex::{Lexer, Token};

/// Messages may contain each other this deeply, as in the binary form.
const MAX_DEPTH: usize = 100;

/// The binary form of a SavedModel in text form; an error says what is wrong and in which line.
pub(crate) fn encode(text: &str) -> Result<Vec<u8>, String> {
    let mut reader = Reader { lexer: Lexer::new(text) };
    let mut bytes = Vec::new();
    reader.message(Some(Message::SavedModel), None, 0, &mut bytes)?;
    Ok(bytes)
}

struct Reader<'t> {
    lexer: Lexer<'t>,
}

impl Reader<'_> {
    /// The fields up to `end`, or to the end of the text; of an unknown message nothing is kept.
    fn message(&mut self, message: Option<Message>, end: Option<char>, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(self.error("messages are nested too deeply"));
        }
        loop {
            match self.lexer.next()? {
                None if end.is_none() => return Ok(()),
                Some(Token::Symbol(symbol)) if Some(symbol) == end => return Ok(()),
                Some(Token::Symbol(',' | ';')) => {}
                Some(Token::Word(name)) => {
                    let field = message.and_then(|m| m.field(name));
                    self.field(field, depth, out)?;
                }
                Some(Token::Symbol('[')) => {
                    // An extension or the type of an Any.
                    while !matches!(self.lexer.next()?, Some(Token::Symbol(']')) | None) {}
                    self.field(None, depth, out)?;
                }
                _ => return Err(self.error("a field's name was expected")),
            }
        }
    }

    fn field(&mut self, field: Option<(u32, Kind)>, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let mut token = self.lexer.next()?;
        if token == Some(Token::Symbol(':')) {
            token = self.lexer.next()?;
        }
        if token != Some(Token::Symbol('[')) {
            return self.value(field, token, depth, out);
        }
        loop {
            match self.lexer.next()? {
                Some(Token::Symbol(']')) => return Ok(()),
                Some(Token::Symbol(',')) => {}
                token => self.value(field, token, depth, out)?,
            }
        }
    }

    fn value(&mut self, field: Option<(u32, Kind)>, token: Option<Token<'_>>, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let end = match token {
            Some(Token::Symbol('{')) => Some('}'),
            Some(Token::Symbol('<')) => Some('>'),
            _ => None,
        };
        if end.is_some() {
            let inner = match field {
                Some((_, Kind::Message(message))) => Some(message),
                _ => None,
            };
            let mut bytes = Vec::new();
            self.message(inner, end, depth + 1, &mut bytes)?;
            if let (Some((number, _)), Some(_)) = (field, inner) {
                put_bytes(out, number, &bytes);
            }
            return Ok(());
        }
        match token {
            Some(Token::Word(word)) => self.scalar(field, word, out),
            Some(Token::Text(first)) => {
                let mut text = first;
                while let Some(more) = self.lexer.next_text()? {
                    text.extend_from_slice(&more);
                }
                if let Some((number, Kind::Text)) = field {
                    put_bytes(out, number, &text);
                }
                Ok(())
            }
            _ => Err(self.error("a value was expected")),
        }
    }

    fn scalar(&mut self, field: Option<(u32, Kind)>, word: &str, out: &mut Vec<u8>) -> Result<(), String> {
        let Some((number, kind)) = field else { return Ok(()) };
        let unreadable = || self.error(&format!("{word:?} is no value of its field"));
        match kind {
            Kind::Int => {
                let value = match word {
                    "true" => 1,
                    "false" => 0,
                    _ => integer(word).ok_or_else(unreadable)?,
                };
                put_varint(out, u64::from(number) << 3);
                put_varint(out, value);
            }
            Kind::DataType => {
                let value = data_type(word).or_else(|| integer(word)).ok_or_else(unreadable)?;
                put_varint(out, u64::from(number) << 3);
                put_varint(out, value);
            }
            Kind::Float => {
                put_varint(out, u64::from(number) << 3 | 5);
                out.extend_from_slice(&(float(word).ok_or_else(unreadable)? as f32).to_le_bytes());
            }
            Kind::Double => {
                put_varint(out, u64::from(number) << 3 | 1);
                out.extend_from_slice(&float(word).ok_or_else(unreadable)?.to_le_bytes());
            }
            Kind::Text | Kind::Message(_) => return Err(unreadable()),
        }
        Ok(())
    }

    fn error(&self, what: &str) -> String {
        format!("line {}: {what}", self.lexer.line())
    }
}

fn integer(word: &str) -> Option<u64> {
    match word.strip_prefix('-') {
        Some(digits) => digits.parse::<u64>().ok().map(u64::wrapping_neg),
        None => match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        },
    }
}

fn float(word: &str) -> Option<f64> {
    match word {
        "inf" | "infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        "nan" | "-nan" => Some(f64::NAN),
        _ => word.trim_end_matches(['f', 'F']).parse().ok(),
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
