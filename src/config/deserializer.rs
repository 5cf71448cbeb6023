//! `serde` over a [`Node`], by the collector's rules and with the place of every error.
//!
//! - A comma-separated text may stand for a list, an integer for a float, a float for an integer
//!   (its fraction is cut off); no other type stands for another.
//! - null: scalars become zero or empty, maps, lists and structs keep their default.
//! - A scalar that came whole from `${…}` gives its text where text is wanted.
//! - `enabled: false` turns an optional section off, whether or not its struct has such a key.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::handover::{HANDED_OVER, NODE, SECTION};
use super::node::{Kind, Node, Value};
use super::session::{Cursor, Error, Path};

impl<'a> Cursor<'a> {
    /// Runs a visitor; what it complains about is this node.
    fn visit<T>(&self, visit: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        visit().map_err(|error| error.at(self))
    }

    fn expected(&self, what: &str) -> Error {
        let found = match &self.node.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(value) => format!("the integer {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::String(text) => format!("the text \"{text}\""),
            Value::List(_) | Value::Map(_) => self.node.kind().to_string(),
        };
        <Error as de::Error>::custom(format_args!("expected {what}, found {found}")).at(self)
    }

    /// A null that came from no variable: a map, list or struct in its place keeps its default.
    fn keeps_default(&self) -> Result<(), Error> {
        if self.node.is_null() && self.node.original.is_none() && self.is_field {
            return Err(Error::keeps_default().at(self));
        }
        Ok(())
    }

    /// Deals with the key `enabled` of a section whose struct does not know it.
    fn enabled(&self) -> Result<(), Error> {
        let Some(node) = self.node.get("enabled") else { return Ok(()) };
        if self.session.is_left_out(node) {
            return Ok(());
        }
        match node.value {
            Value::Bool(false) => Err(Error::disabled().at(self)),
            Value::Bool(true) | Value::Null => {
                self.session.leave_out(node);
                Ok(())
            }
            _ => Err(self.child(node, Path::Key(&self.path, "enabled")).expected("true or false")),
        }
    }

    fn integer(&self, min: i128, max: i128) -> Result<i128, Error> {
        let value = match self.node.value {
            Value::Null => 0,
            Value::Int(value) => value,
            // Cutting the fraction off is what the collector does; `as` saturates far off.
            Value::Float(value) if value.is_finite() => value as i128,
            _ => return Err(self.expected("an integer")),
        };
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        let message = if min == 0 && value < 0 {
            format!("must not be negative, found {value}")
        } else {
            format!("must be between {min} and {max}, found {value}")
        };
        Err(<Error as de::Error>::custom(message).at(self))
    }

    fn float(&self) -> Result<f64, Error> {
        match self.node.value {
            Value::Null => Ok(0.0),
            _ => self.node.as_f64().ok_or_else(|| self.expected("a number")),
        }
    }

    fn text(&self) -> Result<&'a str, Error> {
        match (self.node.text(), self.node.kind()) {
            (Some(text), _) => Ok(text),
            (None, Kind::Null) => Ok(""),
            (None, Kind::List | Kind::Map) => Err(self.expected("text")),
            (None, _) => Err(self.expected("text (put it in quotes)")),
        }
    }

    fn items(self) -> Items<'a> {
        Items { parent: self, next: 0 }
    }

    fn fields(self, of_struct: bool) -> Fields<'a> {
        Fields { parent: self, next: 0, of_struct }
    }

    /// The parts of a comma-separated text, as a list.
    fn split(&self, text: &str) -> Node {
        let part = |part: &str| Node {
            value: Value::String(part.to_owned()),
            place: self.node.place.clone(),
            original: None,
            secret: self.node.secret,
        };
        let parts = if text.is_empty() { Vec::new() } else { text.split(',').map(part).collect() };
        Node::new(Value::List(parts), self.node.place.clone())
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.integer(i128::from($type::MIN), i128::from($type::MAX))?;
            self.visit(|| visitor.$visit(value as $type))
        }
    )*};
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(|| match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => match i64::try_from(*value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_u64(*value as u64),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_str(text),
            Value::List(_) => visitor.visit_seq(self.items()),
            Value::Map(_) => visitor.visit_map(self.fields(false)),
        })
    }

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = match self.node.value {
            Value::Null => false,
            Value::Bool(value) => value,
            _ => return Err(self.expected("true or false")),
        };
        self.visit(|| visitor.visit_bool(value))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.float()?;
        self.visit(|| visitor.visit_f64(value))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.text()?;
        self.visit(|| visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value {
            Value::Null => self.visit(|| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.value {
            Value::Null => self.visit(|| visitor.visit_unit()),
            _ => Err(self.expected("nothing")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SECTION {
            return match self.node.value {
                Value::Null => self.visit(|| visitor.visit_unit()),
                _ if self.session.is_disabled(self.node) => self.visit(|| visitor.visit_none()),
                _ => visitor.visit_some(Cursor { is_section: true, ..self }),
            };
        }
        if name == NODE {
            HANDED_OVER.set(Some(self.node.clone()));
            return self.visit(|| visitor.visit_unit());
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.keeps_default()?;
        match &self.node.value {
            Value::Null | Value::List(_) => self.visit(|| visitor.visit_seq(self.items())),
            Value::String(text) => {
                let list = self.split(text);
                let parts = Cursor { node: &list, ..self };
                visitor.visit_seq(parts.items()).map_err(|error| error.at(&parts).moved_to(&self))
            }
            _ => Err(self.expected("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.keeps_default()?;
        match self.node.value {
            Value::Null | Value::Map(_) => self.visit(|| visitor.visit_map(self.fields(false))),
            _ => Err(self.expected("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.keeps_default()?;
        if !matches!(self.node.value, Value::Null | Value::Map(_)) {
            return Err(self.expected("a map"));
        }
        if self.is_section && !fields.contains(&"enabled") {
            self.enabled()?;
        }
        self.visit(|| visitor.visit_map(self.fields(true)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.keeps_default()?;
        match (self.node.as_str(), self.node.map()) {
            (Some(text), _) => {
                self.visit(|| visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(text)))
            }
            (None, [entry]) => {
                let path = Path::Key(&self.path, &entry.key);
                let inner = self.child(&entry.value, path);
                self.visit(|| visitor.visit_enum(Choice { name: &entry.key, inner }))
            }
            _ => Err(self.expected(&format!("one of {}", variants.join(", ")))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

struct Items<'a> {
    parent: Cursor<'a>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Cursor { node, path, session, .. } = self.parent;
        while let Some(item) = node.items().get(self.next) {
            let index = self.next;
            self.next += 1;
            if session.is_left_out(item) {
                continue;
            }
            let here = self.parent.child(item, Path::Index(&path, index));
            return here.visit(|| seed.deserialize(here)).map(Some);
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.parent.node.items().len() - self.next)
    }
}

struct Fields<'a> {
    parent: Cursor<'a>,
    next: usize,
    of_struct: bool,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Cursor { node, session, .. } = self.parent;
        while let Some(entry) = node.map().get(self.next) {
            self.next += 1;
            if session.is_left_out(&entry.value) {
                continue;
            }
            let key: StrDeserializer<'_, Error> = entry.key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some).map_err(|error| error.at_key(&self.parent, entry));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Cursor { node, path, .. } = self.parent;
        let Some(entry) = self.next.checked_sub(1).and_then(|last| node.map().get(last)) else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let path = Path::Key(&path, &entry.key);
        let here = Cursor { is_field: self.of_struct, ..self.parent.child(&entry.value, path) };
        here.visit(|| seed.deserialize(here))
    }
}

/// A map of one key that names a variant.
struct Choice<'a> {
    name: &'a str,
    inner: Cursor<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Choice<'a> {
    type Error = Error;
    type Variant = Cursor<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.inner))
    }
}

impl<'de> VariantAccess<'de> for Cursor<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Deserialize::deserialize(self)
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.visit(|| seed.deserialize(self))
    }
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}
