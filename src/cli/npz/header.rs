//! The header of a `.npy` file: a Python dictionary with element type, order and shape.

use planish::core::{DType, Tensor};

/// An element type as NumPy writes it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Element {
    /// The same in memory as the IR's.
    Plain(DType),
    /// Byte strings of this width, padded with zeros.
    Bytes(usize),
    /// Strings of this many code points of four bytes, padded with zeros.
    Text(usize),
}

/// Strings of a few bytes take many times as many in memory.
const MOST_STRINGS: usize = 1 << 20;

const PLAIN: &[(&str, DType)] = &[
    ("f4", DType::F32),
    ("f2", DType::F16),
    ("f8", DType::F64),
    ("i1", DType::I8),
    ("i2", DType::I16),
    ("i4", DType::I32),
    ("i8", DType::I64),
    ("u1", DType::U8),
    ("u2", DType::U16),
    ("u4", DType::U32),
    ("u8", DType::U64),
    ("b1", DType::Bool),
    ("c8", DType::Complex64),
    ("c16", DType::Complex128),
];

impl Element {
    /// How arrays of this type are written; strings with this width.
    pub(super) fn of(dtype: DType, width: usize) -> Option<Element> {
        match dtype {
            DType::String => Some(Element::Bytes(width)),
            DType::BF16 => Some(Element::Plain(DType::F32)),
            _ => PLAIN.iter().find(|(_, d)| *d == dtype).map(|(_, d)| Element::Plain(*d)),
        }
    }

    fn parse(descr: &str) -> Result<Element, String> {
        let unsupported = || format!("has element type `{descr}`, which cannot be read; save it as another type");
        let kind = descr.strip_prefix(['<', '|', '=']).ok_or_else(unsupported)?;
        if let Some(&(_, dtype)) = PLAIN.iter().find(|(name, _)| *name == kind) {
            return Ok(Element::Plain(dtype));
        }
        let width = |digits: &str| match digits.parse::<u32>() {
            Ok(width) if width > 0 => Ok(width as usize),
            _ => Err(unsupported()),
        };
        match kind.split_at_checked(1) {
            Some(("S", digits)) => Ok(Element::Bytes(width(digits)?)),
            Some(("U", digits)) => Ok(Element::Text(width(digits)?)),
            Some(("O", _)) => Err("holds Python objects; save byte strings with .astype('S')".into()),
            _ => Err(unsupported()),
        }
    }

    fn descr(self) -> String {
        match self {
            Element::Plain(dtype) => {
                let (name, _) = PLAIN.iter().find(|(_, d)| *d == dtype).expect("plain types are listed");
                format!("{}{name}", if dtype.bits() == 8 { '|' } else { '<' })
            }
            Element::Bytes(width) => format!("|S{width}"),
            Element::Text(width) => format!("<U{width}"),
        }
    }

    fn size(self) -> usize {
        match self {
            Element::Plain(dtype) => dtype.bits() / 8,
            Element::Bytes(width) => width,
            Element::Text(width) => 4 * width,
        }
    }
}

/// What stands before an array's bytes.
#[derive(Debug)]
pub(super) struct Header {
    element: Element,
    columns_first: bool,
    dims: Vec<usize>,
}

impl Header {
    /// The header of an array in row-major order.
    pub(super) fn new(element: Element, dims: &[usize]) -> Header {
        Header {
            element,
            columns_first: false,
            dims: dims.to_vec(),
        }
    }

    /// The header that this dictionary is.
    pub(super) fn parse(text: &str) -> Result<Header, String> {
        let damaged = |what: &str| format!("is damaged: its header has no {what}");
        let after = |key: &str| {
            let rest = text.split_once(&format!("'{key}'"))?.1.trim_start().strip_prefix(':')?;
            Some(rest.trim_start())
        };
        let descr = after("descr").ok_or_else(|| damaged("element type"))?;
        let descr = descr
            .strip_prefix('\'')
            .and_then(|d| d.split_once('\''))
            .ok_or("has records as elements, which cannot be read")?
            .0;
        let columns_first = match after("fortran_order") {
            Some(rest) if rest.starts_with("True") => true,
            Some(rest) if rest.starts_with("False") => false,
            _ => return Err(damaged("order")),
        };
        let shape = after("shape")
            .and_then(|s| s.strip_prefix('(')?.split_once(')'))
            .ok_or_else(|| damaged("shape"))?
            .0;
        let dims = shape.split(',').map(str::trim).filter(|d| !d.is_empty());
        let dims: Vec<usize> = dims.map(|d| d.parse().map_err(|_| damaged("shape"))).collect::<Result<_, _>>()?;
        Ok(Header {
            element: Element::parse(descr)?,
            columns_first,
            dims,
        })
    }

    /// How many bytes the array takes.
    pub(super) fn bytes(&self) -> Result<usize, String> {
        // An extent of 0 does not excuse others.
        let size = |least: usize| self.dims.iter().try_fold(self.element.size(), |n, &d| n.checked_mul(d.max(least)));
        size(1)
            .filter(|&n| isize::try_from(n).is_ok())
            .and_then(|_| size(0))
            .ok_or_else(|| "is damaged: its shape is impossible".into())
    }

    /// The header's text, padded so that the data is aligned to 64 bytes.
    pub(super) fn text(&self) -> String {
        let comma = if self.dims.len() == 1 { "," } else { "" };
        let dims = self.dims.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let descr = self.element.descr();
        let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}{comma}), }}");
        while (text.len() + 11) % 64 != 0 {
            text.push(' ');
        }
        text.push('\n');
        text
    }

    /// The array that these bytes are, in row-major order.
    pub(super) fn tensor(&self, data: Vec<u8>) -> Result<Tensor, String> {
        let mut dims = self.dims.clone();
        if self.columns_first {
            dims.reverse();
        }
        let width = self.element.size();
        let trimmed = |s: &[u8]| s[..s.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)].to_vec();
        let strings = |one: &dyn Fn(&[u8]) -> Vec<u8>| {
            let all: Vec<Vec<u8>> = data.chunks_exact(width).map(one).collect();
            Tensor::from_strings(&dims, &all)
        };
        if !matches!(self.element, Element::Plain(_)) && data.len() / width > MOST_STRINGS {
            return Err(format!("holds more than {MOST_STRINGS} strings"));
        }
        let code_points = |s: &[u8]| {
            let points = s.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            let text: String = points.map(|p| char::from_u32(p).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
            text.trim_end_matches('\0').as_bytes().to_vec()
        };
        let tensor = match self.element {
            Element::Bytes(_) => strings(&trimmed),
            Element::Text(_) => strings(&code_points),
            Element::Plain(dtype) => Tensor::new(dtype, &dims, data.into()),
        };
        let tensor = tensor.map_err(|e| e.to_string())?;
        if !self.columns_first || dims.len() < 2 {
            return Ok(tensor);
        }
        let reversed: Vec<usize> = (0..dims.len()).rev().collect();
        let columns = tensor
            .transposed(&reversed)
            .ok_or("holds strings in columns, which cannot be read")?;
        Ok(columns.to_packed())
    }
}
