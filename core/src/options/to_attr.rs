//! Plain data to attribute values: a serde serializer.

use serde::ser::{self, Serialize};

use super::{NONE, OptionsError};
use crate::attr::{Attr, AttrType, Attrs};

/// Makes one attribute value of whatever is serialized into it.
pub(super) struct AttrSerializer;

fn int(value: impl TryInto<i64>) -> Result<Attr, OptionsError> {
    let value = value
        .try_into()
        .map_err(|_| OptionsError("an integer does not fit into 64 bits with a sign".into()))?;
    Ok(Attr::Int(value))
}

macro_rules! ints {
    ($($method:ident: $ty:ty),+) => { $(
        fn $method(self, value: $ty) -> Result<Attr, OptionsError> {
            int(value)
        }
    )+ };
}

impl ser::Serializer for AttrSerializer {
    type Ok = Attr;
    type Error = OptionsError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    ints! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    }

    fn serialize_bool(self, value: bool) -> Result<Attr, OptionsError> {
        Ok(Attr::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Result<Attr, OptionsError> {
        Ok(value.to_attr())
    }

    fn serialize_f64(self, value: f64) -> Result<Attr, OptionsError> {
        Ok(Attr::Float(value))
    }

    fn serialize_char(self, value: char) -> Result<Attr, OptionsError> {
        Ok(Attr::Text(value.into()))
    }

    fn serialize_str(self, value: &str) -> Result<Attr, OptionsError> {
        Ok(Attr::Text(value.into()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Attr, OptionsError> {
        Ok(Attr::Bytes(value.into()))
    }

    fn serialize_none(self) -> Result<Attr, OptionsError> {
        Ok(Attr::Word(NONE.into()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Attr, OptionsError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Attr, OptionsError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Attr, OptionsError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Attr, OptionsError> {
        Ok(Attr::Word(variant.into()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Attr, OptionsError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Attr, OptionsError> {
        Ok(wrapped(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, OptionsError> {
        Ok(Items::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, OptionsError> {
        Ok(Items::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, OptionsError> {
        Ok(Items::default())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Items, OptionsError> {
        Ok(Items {
            variant: Some(variant),
            ..Items::default()
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields, OptionsError> {
        Ok(Fields::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, OptionsError> {
        Ok(Fields::default())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Fields, OptionsError> {
        Ok(Fields {
            variant: Some(variant),
            ..Fields::default()
        })
    }
}

fn wrapped(variant: Option<&str>, attr: Attr) -> Attr {
    match variant {
        Some(variant) => Attr::Map(Attrs::from([(variant.to_owned(), attr)])),
        None => attr,
    }
}

/// A list in the making.
#[derive(Default)]
pub(super) struct Items {
    variant: Option<&'static str>,
    items: Vec<Attr>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OptionsError> {
        self.items.push(value.serialize(AttrSerializer)?);
        Ok(())
    }

    fn finish(self) -> Result<Attr, OptionsError> {
        Ok(wrapped(self.variant, Attr::List(self.items)))
    }
}

macro_rules! serialize_items {
    ($($of:ident: $method:ident),+) => { $(
        impl ser::$of for Items {
            type Ok = Attr;
            type Error = OptionsError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OptionsError> {
                self.push(value)
            }
            fn end(self) -> Result<Attr, OptionsError> {
                self.finish()
            }
        }
    )+ };
}
serialize_items!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

/// A struct or a map in the making.
#[derive(Default)]
pub(super) struct Fields {
    variant: Option<&'static str>,
    fields: Attrs,
    key: Option<String>,
}

impl Fields {
    fn insert<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), OptionsError> {
        let attr = value.serialize(AttrSerializer).map_err(|e| e.of(key))?;
        self.fields.insert(key.to_owned(), attr);
        Ok(())
    }

    fn finish(self) -> Result<Attr, OptionsError> {
        Ok(wrapped(self.variant, Attr::Map(self.fields)))
    }
}

macro_rules! serialize_fields {
    ($($of:ident),+) => { $(
        impl ser::$of for Fields {
            type Ok = Attr;
            type Error = OptionsError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), OptionsError> {
                self.insert(key, value)
            }
            fn end(self) -> Result<Attr, OptionsError> {
                self.finish()
            }
        }
    )+ };
}
serialize_fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Attr;
    type Error = OptionsError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), OptionsError> {
        self.key = match key.serialize(AttrSerializer)? {
            Attr::Text(key) | Attr::Word(key) => Some(key),
            _ => return Err(OptionsError("the keys of a map have to be text".into())),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), OptionsError> {
        let key = self.key.take().expect("serde gives the key before its value");
        self.insert(&key, value)
    }

    fn end(self) -> Result<Attr, OptionsError> {
        self.finish()
    }
}
