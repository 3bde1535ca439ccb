//! Reading tokens: what models and pipelines have in common, attribute values and types.

use std::collections::BTreeMap;

use super::ParseError;
use super::lex::{Placed, Token, error_at, tokens};
use super::quote::from_hex;
use crate::attr::{Attr, Attrs};
use crate::model::GraphId;
use crate::quant::Quant;
use crate::types::{DType, Dim, Shape, Type};

/// Lists and maps may be nested this deep.
const MOST_NESTED: usize = 64;

/// Elements that `random(…)` and the like make out of nothing may take this many bytes in one text.
const MOST_GENERATED: usize = 64 << 20;

/// Walks over the tokens of a text.
pub(super) struct Parser<'t> {
    text: &'t str,
    pub(super) tokens: Vec<Placed<'t>>,
    pub(super) next: usize,
    pub(super) graphs: BTreeMap<String, GraphId>,
    generated: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Result<Parser<'t>, ParseError> {
        Ok(Parser {
            text,
            tokens: tokens(text)?,
            next: 0,
            graphs: BTreeMap::new(),
            generated: 0,
        })
    }

    pub(super) fn peek(&self) -> &Token<'t> {
        &self.tokens[self.next].token
    }

    pub(super) fn peek_second(&self) -> &Token<'t> {
        &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].token
    }

    pub(super) fn take(&mut self) -> Token<'t> {
        let last = self.tokens.len() - 1;
        let token = self.tokens[self.next].token.clone();
        self.next = (self.next + 1).min(last);
        token
    }

    pub(super) fn error_at<T>(&self, token: usize, problem: impl Into<String>) -> Result<T, ParseError> {
        Err(error_at(self.text, self.tokens[token].at, problem))
    }

    pub(super) fn error<T>(&self, problem: impl Into<String>) -> Result<T, ParseError> {
        self.error_at(self.next, problem)
    }

    pub(super) fn expected<T>(&self, what: &str) -> Result<T, ParseError> {
        self.error(format!("expected {what}, found {}", self.peek()))
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(s) if *s == sign)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(w) if *w == word)
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.next += usize::from(found);
        found
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    pub(super) fn sign(&mut self, sign: &str) -> Result<(), ParseError> {
        match self.take_sign(sign) {
            true => Ok(()),
            false => self.expected(&format!("`{sign}`")),
        }
    }

    pub(super) fn word(&mut self, what: &str) -> Result<&'t str, ParseError> {
        match *self.peek() {
            Token::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            _ => self.expected(what),
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, ParseError> {
        match *self.peek() {
            Token::Number(text) => match text.parse() {
                Ok(number) => {
                    self.next += 1;
                    Ok(number)
                }
                Err(_) => self.expected(what),
            },
            _ => self.expected(what),
        }
    }

    pub(super) fn bytes(&mut self, what: &str) -> Result<Vec<u8>, ParseError> {
        match self.peek() {
            Token::Text(bytes) => {
                let bytes = bytes.to_vec();
                self.next += 1;
                Ok(bytes)
            }
            _ => self.expected(what),
        }
    }

    pub(super) fn text(&mut self, what: &str) -> Result<String, ParseError> {
        let token = self.next;
        String::from_utf8(self.bytes(what)?).or_else(|_| self.error_at(token, "the text in quotes has to be UTF-8"))
    }

    /// A word, or any text in quotes.
    pub(super) fn word_or_text(&mut self, what: &str) -> Result<String, ParseError> {
        match self.peek() {
            Token::Word(_) => Ok(self.word(what)?.to_owned()),
            _ => self.text(what),
        }
    }

    pub(super) fn hex(&mut self) -> Result<Vec<u8>, ParseError> {
        let token = self.next;
        let digits = self.bytes("bytes in hexadecimal, in quotes")?;
        match from_hex(&digits) {
            Some(bytes) => Ok(bytes),
            None => self.error_at(token, "bytes take two hexadecimal digits each"),
        }
    }

    /// Items with commas between them up to `close`, which is taken; a comma may stand behind the last one.
    pub(super) fn list<T>(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Result<T, ParseError>) -> Result<Vec<T>, ParseError> {
        let mut items = Vec::new();
        while !self.take_sign(close) {
            items.push(item(self)?);
            if !self.is_sign(close) && !self.take_sign(",") {
                return self.expected(&format!("`,` or `{close}`"));
            }
        }
        Ok(items)
    }

    /// Counts bytes that come from no text, and refuses too many of them.
    pub(super) fn generate(&mut self, bytes: usize) -> Result<(), ParseError> {
        self.generated = self.generated.saturating_add(bytes);
        match self.generated <= MOST_GENERATED {
            true => Ok(()),
            false => self.error(format!("generated constants may take {} MiB in one text", MOST_GENERATED >> 20)),
        }
    }

    pub(super) fn graph_ref(&mut self) -> Result<GraphId, ParseError> {
        let Token::Graph(name) = self.peek() else {
            return self.expected("a graph such as `@main`");
        };
        match self.graphs.get(name.as_ref()) {
            Some(&id) => {
                self.next += 1;
                Ok(id)
            }
            None => self.error(format!("there is no graph `@{name}`")),
        }
    }

    /// Attributes in braces, from the opening one on.
    pub(super) fn attrs(&mut self, depth: usize) -> Result<Attrs, ParseError> {
        self.sign("{")?;
        let mut attrs = Attrs::new();
        self.list("}", |p| {
            let token = p.next;
            let name = p.word_or_text("a name of an attribute")?;
            p.sign("=")?;
            let attr = p.attr(depth)?;
            match attrs.insert(name.clone(), attr) {
                None => Ok(()),
                Some(_) => p.error_at(token, format!("attribute `{name}` is given twice")),
            }
        })?;
        Ok(attrs)
    }

    pub(super) fn attr(&mut self, depth: usize) -> Result<Attr, ParseError> {
        if depth >= MOST_NESTED {
            return self.error(format!("lists and maps may be nested {MOST_NESTED} deep"));
        }
        match self.peek().clone() {
            Token::Sign("[") => {
                self.next += 1;
                Ok(Attr::List(self.list("]", |p| p.attr(depth + 1))?))
            }
            Token::Sign("{") => Ok(Attr::Map(self.attrs(depth + 1)?)),
            Token::Text(_) => Ok(Attr::Text(self.text("text in quotes")?)),
            Token::Graph(_) => Ok(Attr::Graph(self.graph_ref()?)),
            Token::Number(text) if text.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Attr::Int(self.number("an integer of 64 bits")?))
            }
            Token::Number(_) | Token::Word("inf" | "nan") => Ok(Attr::Float(f64::from_le_bytes(self.float(DType::F64)?))),
            Token::Word(word) => {
                self.next += 1;
                Ok(match word {
                    "true" => Attr::Bool(true),
                    "false" => Attr::Bool(false),
                    "hex" => Attr::Bytes(self.hex()?),
                    "word" => Attr::Word(self.text("a word in quotes")?),
                    "tensor" => Attr::Tensor(self.tensor()?),
                    word => Attr::Word(word.into()),
                })
            }
            _ => self.expected("an attribute value"),
        }
    }

    pub(super) fn dtype(&mut self) -> Result<DType, ParseError> {
        let token = self.next;
        let name = self.word("an element type such as `f32`")?;
        match DType::from_name(name) {
            Some(dtype) => Ok(dtype),
            None => {
                let known: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
                self.error_at(token, format!("there is no element type `{name}`; there are {}", known.join(", ")))
            }
        }
    }

    pub(super) fn ty(&mut self) -> Result<Type, ParseError> {
        let dtype = self.dtype()?;
        self.sign("[")?;
        let shape = if self.take_sign("..") {
            self.sign("]")?;
            Shape::unranked()
        } else {
            Shape::new(self.list("]", |p| match p.take_sign("?") {
                true => Ok(Dim::Unknown),
                false => p.number("an extent or `?`").map(Dim::Known),
            })?)
        };
        let quant = if self.is_word("quant") { Some(self.quant()?) } else { None };
        Ok(Type::new(dtype, shape).with_quant(quant))
    }

    fn quant(&mut self) -> Result<Quant, ParseError> {
        let token = self.next;
        self.next += 1;
        self.sign("(")?;
        let quant = if self.take_word("axis") {
            let axis = self.number("an axis")?;
            self.sign(",")?;
            self.keyword("scales")?;
            self.sign("[")?;
            let scales = self.list("]", |p| p.number("a scale"))?;
            if self.take_sign(",") {
                self.keyword("zeros")?;
                self.sign("[")?;
                let zero_points = self.list("]", |p| p.number("a zero point"))?;
                Quant::per_axis(axis, scales, zero_points)
            } else {
                Quant::symmetric_per_axis(axis, scales)
            }
        } else {
            self.keyword("scale")?;
            let scale = self.number("a scale")?;
            let mut zero_point = 0;
            if self.take_sign(",") {
                self.keyword("zero")?;
                zero_point = self.number("a zero point")?;
            }
            Quant::per_tensor(scale, zero_point)
        };
        self.sign(")")?;
        quant.or_else(|e| self.error_at(token, e.to_string()))
    }

    pub(super) fn keyword(&mut self, word: &str) -> Result<(), ParseError> {
        match self.take_word(word) {
            true => Ok(()),
            false => self.expected(&format!("`{word}`")),
        }
    }
}

pub(super) fn pipeline(text: &str) -> Result<Vec<(String, Attrs)>, ParseError> {
    let mut p = Parser::new(text)?;
    let mut steps = Vec::new();
    while *p.peek() != Token::End {
        let name = p.word("a name of a pass")?.to_owned();
        let attrs = if p.is_sign("{") { p.attrs(0)? } else { Attrs::new() };
        steps.push((name, attrs));
        if *p.peek() != Token::End && !p.take_sign(",") {
            return p.expected("`,` before the next pass");
        }
    }
    Ok(steps)
}
