//! Reading the data of constants: elements, and elements that are made from a few words.

use super::ParseError;
use super::lex::Token;
use super::parse::Parser;
use crate::tensor::{Bytes, Tensor};
use crate::types::DType;

/// Elements on their way into a tensor.
enum Elements {
    /// Packed bytes of elements that have whole ones.
    Whole(Vec<u8>),
    /// One byte for each element smaller than that.
    Codes(Vec<u8>),
    Strings(Vec<Vec<u8>>),
}

impl Elements {
    fn new(dtype: DType) -> Elements {
        match dtype {
            DType::String => Elements::Strings(Vec::new()),
            dtype if dtype.size().is_none() => Elements::Codes(Vec::new()),
            _ => Elements::Whole(Vec::new()),
        }
    }

    fn len(&self, dtype: DType) -> usize {
        match self {
            Elements::Whole(bytes) => bytes.len() / dtype.size().unwrap_or(1),
            Elements::Codes(codes) => codes.len(),
            Elements::Strings(strings) => strings.len(),
        }
    }

    fn into_tensor(self, dtype: DType, dims: &[usize]) -> Result<Tensor, String> {
        let bytes: Vec<u8> = match self {
            Elements::Strings(strings) => return Tensor::from_strings(dims, &strings).map_err(|e| e.to_string()),
            Elements::Whole(bytes) => bytes,
            Elements::Codes(codes) if dtype.bits() == 0 => {
                debug_assert!(codes.is_empty());
                Vec::new()
            }
            Elements::Codes(codes) => codes
                .chunks(8 / dtype.bits())
                .map(|chunk| chunk.iter().rev().fold(0u8, |byte, code| byte << dtype.bits() | code))
                .collect(),
        };
        Tensor::new(dtype, dims, Bytes::from(bytes)).map_err(|e| e.to_string())
    }
}

impl Parser<'_> {
    /// A type of known extents, then the data.
    pub(super) fn tensor(&mut self) -> Result<Tensor, ParseError> {
        let start = self.next;
        let ty = self.ty()?;
        let dtype = ty.dtype;
        let Some(dims) = ty.shape.known() else {
            return self.error_at(start, "a constant has known extents");
        };
        if matches!(dtype, DType::Resource | DType::Variant) {
            return self.error_at(start, format!("a constant cannot hold elements of type {dtype}"));
        }
        let Some(count) = ty.shape.elements().filter(|&n| n <= isize::MAX as usize / 16) else {
            return self.error_at(start, format!("{ty} is too large"));
        };
        self.take_sign("=");
        let data = self.next;
        let tensor = match *self.peek() {
            Token::Word("splat") => self.splat(dtype, &dims, count)?,
            Token::Word("random") => self.random(dtype, &dims, count)?,
            Token::Word("bytes") => {
                return self
                    .error("the data of this constant is not in the text, only its hash is; write `splat(…)` or `random(…)` instead");
            }
            _ => {
                let mut elements = Elements::new(dtype);
                if self.take_sign("[") {
                    self.list("]", |p| p.element(dtype, &mut elements))?;
                } else {
                    self.element(dtype, &mut elements)?;
                }
                let found = elements.len(dtype);
                if found != count {
                    return self.error_at(data, format!("{dtype}{} has {count} elements, here are {found}", ty.shape));
                }
                elements.into_tensor(dtype, &dims).or_else(|e| self.error_at(data, e))?
            }
        };
        Ok(tensor.with_quant(ty.quant))
    }

    fn splat(&mut self, dtype: DType, dims: &[usize], count: usize) -> Result<Tensor, ParseError> {
        let start = self.next;
        self.next += 1;
        self.sign("(")?;
        let mut one = Elements::new(dtype);
        self.element(dtype, &mut one)?;
        self.sign(")")?;
        let elements = match one {
            Elements::Whole(_) => {
                let scalar = one.into_tensor(dtype, &[]).or_else(|e| self.error_at(start, e))?;
                return Ok(Tensor::splat(&scalar, dims));
            }
            Elements::Codes(code) => {
                self.generate(count)?;
                Elements::Codes(vec![code[0]; count])
            }
            Elements::Strings(string) => {
                self.generate(count.saturating_mul(string[0].len() + 32))?;
                Elements::Strings(vec![string[0].clone(); count])
            }
        };
        elements.into_tensor(dtype, dims).or_else(|e| self.error_at(start, e))
    }

    fn random(&mut self, dtype: DType, dims: &[usize], count: usize) -> Result<Tensor, ParseError> {
        let start = self.next;
        self.next += 1;
        self.sign("(")?;
        let mut random = Random(self.number("the seed")?);
        self.sign(")")?;
        let each = if dtype == DType::String { 32 } else { dtype.size().unwrap_or(1) };
        self.generate(count.saturating_mul(each))?;
        let mut elements = Elements::new(dtype);
        for _ in 0..count {
            random.element(dtype, &mut elements);
        }
        elements.into_tensor(dtype, dims).or_else(|e| self.error_at(start, e))
    }

    fn element(&mut self, dtype: DType, out: &mut Elements) -> Result<(), ParseError> {
        match out {
            Elements::Strings(strings) => strings.push(self.bytes("a text in quotes")?),
            Elements::Codes(codes) => {
                let bits = dtype.bits() as u32;
                let (least, most) = if dtype == DType::U4 {
                    (0, 15)
                } else {
                    (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
                };
                let token = self.next;
                let value: i32 = self.number("an integer")?;
                if !(least..=most).contains(&value) {
                    return self.error_at(token, format!("{value} is no {dtype}"));
                }
                codes.push(value as u8 & ((1 << bits) - 1));
            }
            Elements::Whole(bytes) => self.whole_element(dtype, bytes)?,
        }
        Ok(())
    }

    fn whole_element(&mut self, dtype: DType, out: &mut Vec<u8>) -> Result<(), ParseError> {
        macro_rules! int {
            ($ty:ty) => {
                out.extend_from_slice(
                    &self
                        .number::<$ty>(concat!("an integer (", stringify!($ty), ")"))?
                        .to_le_bytes(),
                )
            };
        }
        match dtype {
            DType::I8 => int!(i8),
            DType::I16 => int!(i16),
            DType::I32 => int!(i32),
            DType::I64 => int!(i64),
            DType::U8 => int!(u8),
            DType::U16 => int!(u16),
            DType::U32 => int!(u32),
            DType::U64 => int!(u64),
            DType::F32 => out.extend_from_slice(&self.float::<4>(dtype)?),
            DType::F64 => out.extend_from_slice(&self.float::<8>(dtype)?),
            DType::F16 | DType::BF16 => out.extend_from_slice(&self.float::<2>(dtype)?),
            DType::Bool if self.take_word("true") => out.push(1),
            DType::Bool if self.take_word("false") => out.push(0),
            DType::Bool | DType::F8E4M3 | DType::F8E5M2 => match self.bits() {
                Some(bits) if bits <= 0xff => out.push(bits as u8),
                _ => {
                    return self.expected(match dtype {
                        DType::Bool => "`true` or `false`",
                        _ => "the bits of an 8-bit float, such as `0x3c`",
                    });
                }
            },
            DType::Complex64 | DType::Complex128 => {
                let part = if dtype == DType::Complex64 { DType::F32 } else { DType::F64 };
                self.sign("(")?;
                self.whole_element(part, out)?;
                self.sign(",")?;
                self.whole_element(part, out)?;
                self.sign(")")?;
            }
            DType::I2 | DType::I4 | DType::U4 | DType::String | DType::Resource | DType::Variant => {
                return self.error(format!("{dtype} has no element of whole bytes"));
            }
        }
        Ok(())
    }

    /// A number written as `0x…`.
    fn bits(&mut self) -> Option<u64> {
        let Token::Number(text) = *self.peek() else { return None };
        let bits = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
        self.next += 1;
        Some(bits)
    }

    /// A float of `N` bytes, little endian: decimal, `inf`, `-inf`, `nan` or `nan(0x…)`.
    pub(super) fn float<const N: usize>(&mut self, dtype: DType) -> Result<[u8; N], ParseError> {
        let what = "a number with a point or an exponent, `inf` or `nan`";
        let text = match *self.peek() {
            Token::Number(text) => text,
            Token::Word(word @ ("inf" | "nan")) => word,
            _ => return self.expected(what),
        };
        if text == "nan" && matches!(self.peek_second(), Token::Sign("(")) {
            self.next += 2;
            return match self.bits() {
                Some(bits) if N == 8 || bits >> (8 * N) == 0 => {
                    self.sign(")")?;
                    Ok(bits.to_le_bytes()[..N].try_into().expect("no more bytes than eight"))
                }
                _ => self.expected("the bits of a number that is none, such as `0x7fc00001`"),
            };
        }
        let bytes: Option<Vec<u8>> = match dtype {
            DType::F16 => text.parse::<f32>().ok().map(|v| half::f16::from_f32(v).to_le_bytes().to_vec()),
            DType::BF16 => text.parse::<f32>().ok().map(|v| half::bf16::from_f32(v).to_le_bytes().to_vec()),
            DType::F64 => text.parse::<f64>().ok().map(|v| v.to_le_bytes().to_vec()),
            _ => text.parse::<f32>().ok().map(|v| v.to_le_bytes().to_vec()),
        };
        match bytes.and_then(|b| b.try_into().ok()) {
            Some(bytes) => {
                self.next += 1;
                Ok(bytes)
            }
            None => self.expected(what),
        }
    }
}

/// The generator of `random(…)`: splitmix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1), of 24 bits.
    fn real(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn element(&mut self, dtype: DType, out: &mut Elements) {
        match out {
            Elements::Strings(strings) => {
                let bits = self.bits();
                strings.push((0..bits % 8).map(|i| b'a' + (bits >> (8 * i + 4)) as u8 % 26).collect());
            }
            Elements::Codes(codes) => codes.push(self.bits() as u8 & ((1 << dtype.bits()) - 1)),
            Elements::Whole(bytes) => match dtype {
                DType::F32 => bytes.extend(self.real().to_le_bytes()),
                DType::F64 => bytes.extend(f64::from(self.real()).to_le_bytes()),
                DType::F16 => bytes.extend(half::f16::from_f32(self.real()).to_le_bytes()),
                DType::BF16 => bytes.extend(half::bf16::from_f32(self.real()).to_le_bytes()),
                DType::Complex64 => (0..2).for_each(|_| bytes.extend(self.real().to_le_bytes())),
                DType::Complex128 => (0..2).for_each(|_| bytes.extend(f64::from(self.real()).to_le_bytes())),
                DType::Bool => bytes.push(self.bits() as u8 & 1),
                // Below 1.0, so neither infinite nor no number.
                DType::F8E4M3 => bytes.push(self.bits() as u8 & 0xb7),
                DType::F8E5M2 => bytes.push(self.bits() as u8 & 0xbb),
                DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
                    let value = self.bits() & 0xff;
                    bytes.extend_from_slice(&value.to_le_bytes()[..dtype.size().expect("whole bytes")]);
                }
                _ => {
                    let value = i64::from(self.bits() as i8);
                    bytes.extend_from_slice(&value.to_le_bytes()[..dtype.size().expect("whole bytes")]);
                }
            },
        }
    }
}
