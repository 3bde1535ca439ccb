//! The options of custom operators: FlexBuffers, a format of values that describe themselves.
//!
//! Values are written children first. A reference is the distance back from where it stands to the child. Integers, lengths
//! and references of a vector have one width, the least that fits; the file ends with the root, its type and its width.

use planish_core::attr::{Attr, Attrs};

const NULL: u8 = 0;
const INT: u8 = 1;
const FLOAT: u8 = 3;
const KEY: u8 = 4;
const STRING: u8 = 5;
const MAP: u8 = 9;
const VECTOR: u8 = 10;
const BLOB: u8 = 25;
const BOOL: u8 = 26;

/// A value that may stand inside a vector.
#[derive(Clone, Copy)]
struct Item {
    kind: u8,
    /// The widest of what the item holds, for its type byte: 0 to 3 for 1, 2, 4 and 8 bytes.
    width: u8,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    /// The value itself, as its bits.
    Inline(u64),
    /// Where the child lies.
    At(usize),
}

#[derive(Default)]
struct Writer {
    out: Vec<u8>,
}

fn width_of(value: u64) -> u8 {
    match value {
        0..=0xff => 0,
        0x100..=0xffff => 1,
        0x1_0000..=0xffff_ffff => 2,
        _ => 3,
    }
}

fn signed_width(value: i64) -> u8 {
    [
        i64::from(i8::MIN)..=i8::MAX.into(),
        i16::MIN.into()..=i16::MAX.into(),
        i32::MIN.into()..=i32::MAX.into(),
    ]
    .iter()
    .position(|range| range.contains(&value))
    .unwrap_or(3) as u8
}

impl Writer {
    fn align(&mut self, width: u8) {
        self.out.resize(self.out.len().next_multiple_of(1 << width), 0);
    }

    fn number(&mut self, value: u64, width: u8) {
        self.out.extend_from_slice(&value.to_le_bytes()[..1 << width]);
    }

    /// Text or bytes, with their length before them.
    fn bytes(&mut self, kind: u8, bytes: &[u8]) -> Item {
        let width = width_of(bytes.len() as u64);
        self.align(width);
        self.number(bytes.len() as u64, width);
        let place = Place::At(self.out.len());
        self.out.extend_from_slice(bytes);
        if kind == STRING {
            self.out.push(0);
        }
        Item { kind, width, place }
    }

    fn key(&mut self, key: &str) -> Item {
        let place = Place::At(self.out.len());
        self.out.extend(key.bytes().filter(|&b| b != 0));
        self.out.push(0);
        Item {
            kind: KEY,
            width: 0,
            place,
        }
    }

    fn item_width(item: &Item, from: usize) -> u8 {
        match (item.place, item.kind) {
            (Place::Inline(_), _) => item.width,
            // References stand somewhat later than `from`, by at most the vector itself.
            (Place::At(at), _) => width_of((from - at) as u64),
        }
    }

    fn put(&mut self, item: &Item, width: u8) {
        match item.place {
            Place::Inline(bits) if item.kind == FLOAT && width == 2 => {
                self.number(u64::from((f64::from_bits(bits) as f32).to_bits()), 2);
            }
            Place::Inline(bits) => self.number(bits, width),
            Place::At(at) => self.number((self.out.len() - at) as u64, width),
        }
    }

    /// A vector, or a map where there are keys, in the keys' order.
    fn vector(&mut self, items: &[Item], keys: Option<&[Item]>) -> Item {
        let reach = self.out.len() + 8 * (items.len() + keys.map_or(0, <[Item]>::len) + 8);
        let widest = |items: &[Item]| {
            items
                .iter()
                .map(|i| Writer::item_width(i, reach))
                .chain([width_of(items.len() as u64)])
                .max()
                .unwrap_or(0)
        };
        let keys = keys.map(|keys| {
            let width = widest(keys);
            self.align(width);
            self.number(keys.len() as u64, width);
            let at = self.out.len();
            keys.iter().for_each(|k| self.put(k, width));
            (at, width)
        });
        let width = widest(items).max(keys.map_or(0, |(at, _)| width_of((reach - at) as u64)));
        self.align(width);
        if let Some((at, key_width)) = keys {
            self.number((self.out.len() - at) as u64, width);
            self.number(1 << key_width, width);
        }
        self.number(items.len() as u64, width);
        let place = Place::At(self.out.len());
        items.iter().for_each(|i| self.put(i, width));
        for item in items {
            // The type byte of something inline says the width it is stored in.
            let own = if matches!(item.place, Place::Inline(_)) {
                width
            } else {
                item.width
            };
            self.out.push(item.kind << 2 | own);
        }
        Item {
            kind: if keys.is_some() { MAP } else { VECTOR },
            width,
            place,
        }
    }

    fn attr(&mut self, attr: &Attr) -> Item {
        let inline = |kind, width, bits| Item {
            kind,
            width,
            place: Place::Inline(bits),
        };
        match attr {
            Attr::Bool(v) => inline(BOOL, 0, u64::from(*v)),
            Attr::Int(v) => inline(INT, signed_width(*v), *v as u64),
            Attr::Float(v) if f64::from(*v as f32) == *v => inline(FLOAT, 2, v.to_bits()),
            Attr::Float(v) => inline(FLOAT, 3, v.to_bits()),
            Attr::Word(v) | Attr::Text(v) => self.bytes(STRING, v.as_bytes()),
            Attr::Bytes(v) => self.bytes(BLOB, v),
            Attr::List(v) => {
                let items: Vec<Item> = v.iter().map(|a| self.attr(a)).collect();
                self.vector(&items, None)
            }
            Attr::Map(v) => self.map(v),
            Attr::Tensor(v) => self.bytes(BLOB, &v.bytes()),
            Attr::Graph(_) => inline(NULL, 0, 0),
        }
    }

    fn map(&mut self, attrs: &Attrs) -> Item {
        let keys: Vec<Item> = attrs.keys().map(|k| self.key(k)).collect();
        let items: Vec<Item> = attrs.values().map(|a| self.attr(a)).collect();
        self.vector(&items, Some(&keys))
    }

    fn finish(mut self, root: &Item) -> Vec<u8> {
        let width = Writer::item_width(root, self.out.len() + 8);
        self.align(width);
        self.put(root, width);
        self.out.push(root.kind << 2 | root.width);
        self.out.push(1 << width);
        self.out
    }
}

/// The options of a Flex operator: TensorFlow's name of the operation and its serialized definition.
pub(crate) fn operator_options(name: &str, definition: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    let items = [writer.bytes(STRING, name.as_bytes()), writer.bytes(STRING, definition)];
    let root = writer.vector(&items, None);
    writer.finish(&root)
}

/// The options of a custom operator: its attributes by name.
pub(crate) fn attributes(attrs: &Attrs) -> Vec<u8> {
    if attrs.is_empty() {
        return Vec::new();
    }
    let mut writer = Writer::default();
    let root = writer.map(attrs);
    writer.finish(&root)
}
