//! Compiled paths: a field of the data model and the keys that lead into it.

use std::borrow::Cow;

use super::EvalError;
use super::context::{Field, Item, Slot, View, is_trace_state, state_get, state_set};
use super::expr::Expr;
use super::value::{Peek, Value};
use crate::otlp::attributes::position;
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

/// A place in an item.
#[derive(Debug)]
pub struct Path {
    field: Field,
    keys: Vec<Key>,
    /// Some key has to be evaluated, or looked up in another way than in maps and lists.
    dynamic: bool,
}

/// One index: `["name"]`, `[0]`, or an expression.
#[derive(Debug)]
pub enum Key {
    Name(Str),
    Index(i64),
    Expr(Expr),
}

impl Path {
    pub fn new(field: Field, keys: Vec<Key>) -> Self {
        let dynamic = keys.iter().any(|key| matches!(key, Key::Expr(_))) || is_trace_state(field);
        Self { field, keys, dynamic }
    }

    pub fn is_in_resource(&self) -> bool {
        matches!(self.field, Field::Resource(_))
    }

    /// Looking there gives a value or nil, and never an error.
    pub fn cannot_fail(&self) -> bool {
        matches!(self.keys[..], [Key::Name(_)]) && self.field.is_map()
    }

    /// The value there, if it lies in the telemetry as it is and no key has to be evaluated.
    #[inline]
    pub fn peek<'a>(&'a self, view: &View<'a>) -> Result<Peek<'a>, EvalError> {
        let mut value = view.peek(self.field);
        for key in &self.keys {
            value = match key {
                Key::Name(name) if !self.dynamic => value.at_key(name)?,
                Key::Index(index) if !self.dynamic => value.at_index(*index)?,
                _ => return Ok(Peek::Computed),
            };
        }
        Ok(value)
    }

    /// The value there; nil when a key is missing.
    pub fn get<'a>(&'a self, view: &View<'a>) -> Result<Value<'a>, EvalError> {
        if !self.dynamic {
            match self.peek(view)? {
                Peek::Computed => {}
                value => return Ok(Value::from(value)),
            }
        }
        let mut value = view.get(self.field)?;
        let mut keys = &self.keys[..];
        if let Some((key, rest)) = keys.split_first()
            && is_trace_state(self.field)
        {
            let name = key.name(view)?;
            value = match value {
                Value::Text(super::value::Text::Borrowed(state)) => state_get(state, &name),
                _ => Value::Nil,
            };
            keys = rest;
        }
        for key in keys {
            value = key.apply(value, view)?;
        }
        Ok(value)
    }

    /// Puts a value there. Maps on the way are made, lists are not.
    pub fn set(&self, item: &mut Item<'_>, value: Value<'_>) -> Result<(), EvalError> {
        if self.keys.is_empty() {
            return item.set(self.field, value);
        }
        if is_trace_state(self.field) {
            return self.set_state(item, value);
        }
        let value = value.into_any()?;
        let evaluated = self.evaluate(item)?;
        let keys = evaluated.as_deref().unwrap_or(&self.keys);
        if let Some(slot) = item.slot(self.field) {
            *place(slot, keys)? = value;
        }
        Ok(())
    }

    /// The map there, to change it; an error when there is none.
    pub fn map_mut<'b>(&self, item: &'b mut Item<'_>) -> Result<&'b mut Vec<KeyValue>, EvalError> {
        match self.existing(item)? {
            Some(Slot::Map(map) | Slot::Any(AnyValue::Map(map))) => Ok(map),
            Some(Slot::Any(other)) => Value::from(&*other).mismatch("map"),
            None => Value::Nil.mismatch("map"),
        }
    }

    /// The place there, unless a key on the way is missing.
    pub fn existing<'b>(&self, item: &'b mut Item<'_>) -> Result<Option<Slot<'b>>, EvalError> {
        let evaluated = self.evaluate(item)?;
        let keys = evaluated.as_deref().unwrap_or(&self.keys);
        let Some(mut slot) = item.slot(self.field) else { return Ok(None) };
        for key in keys {
            let next = match (slot, key) {
                (Slot::Map(map) | Slot::Any(AnyValue::Map(map)), Key::Name(name)) => map.get_mut(name),
                (Slot::Any(AnyValue::Array(items)), Key::Index(index)) => {
                    usize::try_from(*index).ok().and_then(|index| items.get_mut(index))
                }
                (Slot::Any(AnyValue::Empty), _) => None,
                (other, key) => return Err(key.refused_by(&other)),
            };
            match next {
                Some(value) => slot = Slot::Any(value),
                None => return Ok(None),
            }
        }
        Ok(Some(slot))
    }

    fn set_state(&self, item: &mut Item<'_>, value: Value<'_>) -> Result<(), EvalError> {
        let new = {
            let view = item.view();
            let key = self.keys[0].name(&view)?;
            let value = value.into_text()?;
            match view.get(self.field)? {
                Value::Text(state) => state_set(&state, &key, &value),
                other => return other.mismatch("string"),
            }
        };
        item.set(self.field, Value::text(new))
    }

    /// The keys with their values, when there is something to evaluate.
    fn evaluate(&self, item: &Item<'_>) -> Result<Option<Vec<Key>>, EvalError> {
        if !self.dynamic {
            return Ok(None);
        }
        let view = item.view();
        self.keys.iter().map(|key| key.evaluate(&view)).collect::<Result<_, _>>().map(Some)
    }
}

impl Key {
    /// The value in `value` under this key; nil when it is missing.
    pub fn apply<'a>(&'a self, value: Value<'a>, view: &View<'a>) -> Result<Value<'a>, EvalError> {
        match self {
            Self::Name(name) => value.at_key(name),
            Self::Index(index) => value.at_index(*index),
            Self::Expr(expr) => match expr.eval(view)? {
                Value::Text(name) => value.at_key(&name),
                Value::Int(index) => value.at_index(index),
                other => other.mismatch("a string or an int as index"),
            },
        }
    }

    /// The same on the result of a converter, where nil cannot be indexed.
    pub fn apply_strict<'a>(&'a self, value: Value<'a>, view: &View<'a>) -> Result<Value<'a>, EvalError> {
        if value.is_nil() {
            return value.mismatch("a map or a list to index");
        }
        self.apply(value, view)
    }

    fn name<'a>(&'a self, view: &View<'a>) -> Result<Cow<'a, str>, EvalError> {
        match self {
            Self::Name(name) => Ok(Cow::Borrowed(name)),
            Self::Index(index) => Value::Int(*index).mismatch("a string as index"),
            Self::Expr(expr) => Ok(Cow::Owned(expr.eval(view)?.into_text()?.to_string())),
        }
    }

    fn evaluate(&self, view: &View<'_>) -> Result<Self, EvalError> {
        Ok(match self {
            Self::Name(name) => Self::Name(name.clone()),
            Self::Index(index) => Self::Index(*index),
            Self::Expr(expr) => match expr.eval(view)? {
                Value::Text(name) => Self::Name(name.into_str()),
                Value::Int(index) => Self::Index(index),
                other => return other.mismatch("a string or an int as index"),
            },
        })
    }

    fn refused_by(&self, slot: &Slot<'_>) -> EvalError {
        let value = match slot {
            Slot::Map(_) => Value::Map(Cow::Borrowed(&[])),
            Slot::Any(value) => Value::from(&**value),
        };
        let refused = match self {
            Self::Index(index) => value.at_index(*index).err(),
            _ => value.at_key("").err(),
        };
        refused.unwrap_or(EvalError::fixed("cannot be indexed"))
    }
}

/// The place in `slot` that `keys` lead to; missing maps are made.
fn place<'s>(slot: Slot<'s>, keys: &[Key]) -> Result<&'s mut AnyValue, EvalError> {
    let mut slot = slot;
    for (i, key) in keys.iter().enumerate() {
        let then_indexed = matches!(keys.get(i + 1), Some(Key::Index(_)));
        let next = match (slot, key) {
            (Slot::Map(map), Key::Name(name)) => entry(map, name, then_indexed)?,
            (Slot::Any(value), Key::Name(name)) => {
                if value.is_empty() {
                    *value = AnyValue::Map(Vec::new());
                }
                match value {
                    AnyValue::Map(map) => entry(map, name, then_indexed)?,
                    other => return Err(key.refused_by(&Slot::Any(other))),
                }
            }
            (Slot::Any(AnyValue::Array(items)), Key::Index(index)) => usize::try_from(*index)
                .ok()
                .and_then(|index| items.get_mut(index))
                .ok_or(EvalError::OutOfRange(*index))?,
            (Slot::Any(AnyValue::Empty), Key::Index(index)) => return Err(EvalError::OutOfRange(*index)),
            (other, key) => return Err(key.refused_by(&other)),
        };
        slot = Slot::Any(next);
    }
    match slot {
        Slot::Any(value) => Ok(value),
        Slot::Map(_) => Err(EvalError::fixed("a map cannot be replaced so")),
    }
}

/// The value under `name`, made empty when it is missing, unless it must be a list already.
fn entry<'m>(
    map: &'m mut Vec<KeyValue>,
    name: &Str,
    must_exist: bool,
) -> Result<&'m mut AnyValue, EvalError> {
    let place = match position(map, name) {
        Some(place) => place,
        None if must_exist => return Err(EvalError::fixed("there is no list to set an item of")),
        None => {
            map.push(KeyValue { key: name.clone(), value: AnyValue::Empty });
            map.len() - 1
        }
    };
    Ok(&mut map[place].value)
}
