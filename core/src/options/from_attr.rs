//! Attribute values to plain data: a serde deserializer.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::{NONE, OptionsError};
use crate::attr::{Attr, Attrs};

/// Reads plain data from one attribute value.
pub(super) struct AttrDeserializer(pub(super) Attr);

impl<'de> de::Deserializer<'de> for AttrDeserializer {
    type Error = OptionsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        match self.0 {
            Attr::Bool(v) => visitor.visit_bool(v),
            Attr::Int(v) => visitor.visit_i64(v),
            Attr::Float(v) => visitor.visit_f64(v),
            Attr::Word(v) | Attr::Text(v) => visitor.visit_string(v),
            Attr::Bytes(v) => visitor.visit_byte_buf(v),
            Attr::List(items) => visitor.visit_seq(Items(items.into_iter())),
            Attr::Map(attrs) => visitor.visit_map(Fields {
                rest: attrs.into_iter(),
                value: None,
            }),
            Attr::Graph(_) | Attr::Tensor(_) => Err(OptionsError("a graph or a tensor is no option".into())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        match &self.0 {
            Attr::Word(word) if word == NONE => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        match &self.0 {
            Attr::Word(word) if word == NONE => visitor.visit_unit(),
            Attr::Map(attrs) if attrs.is_empty() => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, OptionsError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, OptionsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OptionsError> {
        if let Attr::Map(attrs) = &self.0
            && let Some(unknown) = attrs.keys().find(|key| !fields.contains(&key.as_str()))
        {
            return Err(OptionsError(if fields.is_empty() {
                format!("there is no option `{unknown}`; there are no options here")
            } else {
                format!("there is no option `{unknown}`; the options are {}", fields.join(", "))
            }));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OptionsError> {
        let not_one = || OptionsError(format!("expected one of {}", variants.join(", ")));
        let (variant, data) = match self.0 {
            Attr::Word(variant) | Attr::Text(variant) => (variant, None),
            Attr::Map(attrs) if attrs.len() == 1 => {
                let (variant, data) = attrs.into_iter().next().expect("one entry");
                (variant, Some(data))
            }
            _ => return Err(not_one()),
        };
        if !variants.contains(&variant.as_str()) {
            return Err(OptionsError(format!(
                "there is no choice `{variant}`; expected one of {}",
                variants.join(", ")
            )));
        }
        visitor.visit_enum(Choice { variant, data })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple tuple_struct map
        identifier ignored_any
    }
}

struct Items(std::vec::IntoIter<Attr>);

impl<'de> de::SeqAccess<'de> for Items {
    type Error = OptionsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, OptionsError> {
        self.0.next().map(|attr| seed.deserialize(AttrDeserializer(attr))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Fields {
    rest: <Attrs as IntoIterator>::IntoIter,
    value: Option<(String, Attr)>,
}

impl<'de> de::MapAccess<'de> for Fields {
    type Error = OptionsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, OptionsError> {
        let Some((key, attr)) = self.rest.next() else { return Ok(None) };
        self.value = Some((key.clone(), attr));
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, OptionsError> {
        let (key, attr) = self.value.take().expect("serde asks for the key before its value");
        seed.deserialize(AttrDeserializer(attr)).map_err(|e| e.of(&key))
    }
}

struct Choice {
    variant: String,
    data: Option<Attr>,
}

impl<'de> de::EnumAccess<'de> for Choice {
    type Error = OptionsError;
    type Variant = ChoiceData;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, ChoiceData), OptionsError> {
        let variant = seed.deserialize(self.variant.clone().into_deserializer())?;
        Ok((
            variant,
            ChoiceData {
                variant: self.variant,
                data: self.data,
            },
        ))
    }
}

struct ChoiceData {
    variant: String,
    data: Option<Attr>,
}

impl ChoiceData {
    fn data(self) -> Result<AttrDeserializer, OptionsError> {
        let missing = || OptionsError(format!("the choice `{0}` needs data: {{{0} = …}}", self.variant));
        self.data.map(AttrDeserializer).ok_or_else(missing)
    }
}

impl<'de> de::VariantAccess<'de> for ChoiceData {
    type Error = OptionsError;

    fn unit_variant(self) -> Result<(), OptionsError> {
        match self.data {
            None => Ok(()),
            Some(_) => Err(OptionsError(format!("the choice `{}` takes no data", self.variant))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, OptionsError> {
        seed.deserialize(self.data()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, OptionsError> {
        de::Deserializer::deserialize_any(self.data()?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, OptionsError> {
        de::Deserializer::deserialize_struct(self.data()?, "", fields, visitor)
    }
}
