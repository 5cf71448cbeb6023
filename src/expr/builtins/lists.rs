//! Functions over lists and maps.

use std::cmp::Ordering;
use std::ops::Range;

use super::super::error::EvalError;
use super::super::value::{List, Map, Text, Value};
use super::{Budget, int, wrong};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// How deep lists in lists are followed.
pub const MAX_NESTING: usize = 200;

fn list<'v, 'a>(args: &'v [Value<'a>], name: &'static str) -> std::result::Result<&'v List<'a>, EvalError> {
    match &args[0] {
        Value::List(list) => Ok(list),
        other => wrong(name, "an array", other),
    }
}

fn map<'v, 'a>(args: &'v [Value<'a>], name: &'static str) -> std::result::Result<&'v Map<'a>, EvalError> {
    match &args[0] {
        Value::Map(map) => Ok(map),
        other => wrong(name, "a map", other),
    }
}

/// The elements as a vector, paid for.
fn elements<'a>(list: &List<'a>, budget: &mut Budget) -> std::result::Result<Vec<Value<'a>>, EvalError> {
    budget.spend(list.len().saturating_mul(size_of::<Value>()))?;
    Ok(list.iter().collect())
}

pub fn len<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let len = match &args[0] {
        Value::Text(text) => text.as_str().chars().count(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Bytes(bytes) => bytes.len(),
        other => return wrong("len", "a string, an array or a map", other),
    };
    Ok(Value::Int(len as i64))
}

pub fn first<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(element(&args[0], 0).unwrap_or(Value::Nil))
}

pub fn last<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(element(&args[0], -1).unwrap_or(Value::Nil))
}

/// An element of a list, bytes or a text (a byte); negative indices count from the end.
fn element<'a>(value: &Value<'a>, index: i64) -> Option<Value<'a>> {
    match value {
        Value::List(list) => list.get(position(list.len(), index)?),
        Value::Text(text) => byte(text.as_str().as_bytes(), index),
        Value::Bytes(bytes) => byte(bytes, index),
        _ => None,
    }
}

fn byte<'a>(bytes: &[u8], index: i64) -> Option<Value<'a>> {
    bytes.get(position(bytes.len(), index)?).map(|byte| Value::Int(i64::from(*byte)))
}

fn position(len: usize, index: i64) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

/// `from[key]`, with the errors of the language.
pub(in super::super) fn fetch<'a>(from: &Value<'a>, key: &Value<'a>) -> Result<'a> {
    let cannot = || EvalError::Fetch { key: key.to_string().into(), from: from.kind() };
    match from {
        Value::Map(map) => match key {
            Value::Text(key) => Ok(map.get(key.as_str()).unwrap_or(Value::Nil)),
            Value::Nil => Ok(Value::Nil),
            // Computed maps have keys of any kind, kept as text.
            _ if matches!(map, Map::Computed(_)) => Ok(map.get(&key.to_string()).unwrap_or(Value::Nil)),
            _ => Err(cannot()),
        },
        Value::List(_) | Value::Text(_) | Value::Bytes(_) => {
            let index = match key {
                Value::Int(index) => *index,
                Value::Float(index) => *index as i64,
                _ => return Err(cannot()),
            };
            element(from, index).ok_or_else(|| {
                let len = match from {
                    Value::List(list) => list.len(),
                    Value::Text(text) => text.as_str().len(),
                    Value::Bytes(bytes) => bytes.len(),
                    _ => 0,
                };
                EvalError::OutOfRange { index, len }
            })
        }
        _ => Err(cannot()),
    }
}

pub fn get<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(fetch(&args[0], &args[1]).unwrap_or(Value::Nil))
}

/// `[from:to]` of a list of that length: negative positions count from the end, all are clamped.
pub(in super::super) fn slice_range(len: usize, from: i64, to: Option<i64>) -> Range<usize> {
    let clamp = |index: i64| {
        let index = if index < 0 { index.saturating_add(len as i64) } else { index };
        usize::try_from(index).unwrap_or(0).min(len)
    };
    let end = to.map_or(len, clamp);
    clamp(from).min(end)..end
}

pub(in super::super) fn slice<'a>(
    list: &List<'a>,
    from: i64,
    to: Option<i64>,
    budget: &mut Budget,
) -> Result<'a> {
    let range = slice_range(list.len(), from, to);
    Ok(match list {
        List::Borrowed(items) => Value::List(List::Borrowed(&items[range])),
        List::Computed(items) => {
            budget.spend(range.len().saturating_mul(size_of::<Value>()))?;
            Value::list(items[range].to_vec())
        }
        List::Range(first, _) if range.is_empty() => {
            Value::List(List::Range(*first, first.saturating_sub(1)))
        }
        List::Range(first, _) => {
            Value::List(List::Range(first + range.start as i64, first + range.end as i64 - 1))
        }
    })
}

pub fn take<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let count = int(args, 1, "take")?;
    if count < 0 {
        return Err(EvalError::Other("take needs a number that is not negative"));
    }
    slice(list(args, "take")?, 0, Some(count), budget)
}

pub fn reverse<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut items = elements(list(args, "reverse")?, budget)?;
    items.reverse();
    Ok(Value::list(items))
}

pub fn uniq<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut kept: Vec<Value> = Vec::new();
    for item in list(args, "uniq")?.iter() {
        budget.spend(kept.len() + size_of::<Value>())?;
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

pub fn concat<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut all = Vec::new();
    for at in 0..args.len() {
        all.extend(elements(list(&args[at..], "concat")?, budget)?);
    }
    Ok(Value::list(all))
}

pub fn flatten<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    fn into<'a>(
        list: &List<'a>,
        flat: &mut Vec<Value<'a>>,
        depth: usize,
        budget: &mut Budget,
    ) -> std::result::Result<(), EvalError> {
        if depth > MAX_NESTING {
            return Err(EvalError::Budget);
        }
        for item in list.iter() {
            budget.spend(size_of::<Value>())?;
            match item {
                Value::List(inner) => into(&inner, flat, depth + 1, budget)?,
                other => flat.push(other),
            }
        }
        Ok(())
    }
    let mut flat = Vec::new();
    into(list(args, "flatten")?, &mut flat, 0, budget)?;
    Ok(Value::list(flat))
}

pub fn sort<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let items = elements(list(args, "sort")?, budget)?;
    let order = args.get(1).cloned();
    let pairs = items.into_iter().map(|item| (item.clone(), item)).collect();
    sort_pairs(pairs, order.as_ref(), "sort")
}

/// Sorts values by the keys beside them; `order` is "asc" or "desc".
pub(in super::super) fn sort_pairs<'a>(
    mut pairs: Vec<(Value<'a>, Value<'a>)>,
    order: Option<&Value<'a>>,
    operation: &'static str,
) -> Result<'a> {
    let descending = match order.map(Value::as_str) {
        None | Some(Some("asc")) => false,
        Some(Some("desc")) => true,
        Some(_) => return Err(EvalError::Other("the order of a sort is \"asc\" or \"desc\"")),
    };
    let mut mismatch = None;
    pairs.sort_by(|(a, _), (b, _)| {
        let order = a.order(b).unwrap_or_else(|| {
            let nan = a.as_float().is_some() && b.as_float().is_some();
            if !nan {
                mismatch.get_or_insert((a.kind(), b.kind()));
            }
            Ordering::Equal
        });
        if descending { order.reverse() } else { order }
    });
    match mismatch {
        Some((left, right)) => Err(EvalError::Mismatch { operation, left, right }),
        None => Ok(Value::list(pairs.into_iter().map(|(_, value)| value).collect())),
    }
}

pub fn keys<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let map = map(args, "keys")?;
    budget.spend(map.len() * size_of::<Value>())?;
    Ok(Value::list(map.iter().map(|(key, _)| Value::Text(key)).collect()))
}

pub fn values<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let map = map(args, "values")?;
    budget.spend(map.len() * size_of::<Value>())?;
    Ok(Value::list(map.iter().map(|(_, value)| value).collect()))
}

pub fn to_pairs<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let map = map(args, "toPairs")?;
    budget.spend(map.len() * 3 * size_of::<Value>())?;
    Ok(Value::list(map.iter().map(|(key, value)| Value::list(vec![Value::Text(key), value])).collect()))
}

pub fn from_pairs<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut entries = Entries::default();
    for pair in list(args, "fromPairs")?.iter() {
        let Value::List(pair) = pair else { return wrong("fromPairs", "pairs", &pair) };
        let (2, Some(key), Some(value)) = (pair.len(), pair.get(0), pair.get(1)) else {
            return Err(EvalError::Other("fromPairs needs pairs of a key and a value"));
        };
        entries.set(key_text(&key), value, budget)?;
    }
    Ok(entries.into_value())
}

/// A value as the key of a map.
pub(in super::super) fn key_text<'a>(key: &Value<'a>) -> Text<'a> {
    match key {
        Value::Text(text) => text.clone(),
        other => Text::Computed(other.to_string().into()),
    }
}

/// A map in the making: the last value of a key wins.
#[derive(Default)]
pub(in super::super) struct Entries<'a>(Vec<(Text<'a>, Value<'a>)>);

impl<'a> Entries<'a> {
    /// The value of that key, if it has one.
    pub fn slot(
        &mut self,
        key: &str,
        budget: &mut Budget,
    ) -> std::result::Result<Option<&mut Value<'a>>, EvalError> {
        budget.spend(self.0.len() + 1)?;
        Ok(self.0.iter_mut().find(|(known, _)| known.as_str() == key).map(|(_, value)| value))
    }

    pub fn set(
        &mut self,
        key: Text<'a>,
        value: Value<'a>,
        budget: &mut Budget,
    ) -> std::result::Result<(), EvalError> {
        budget.spend(2 * size_of::<Value>())?;
        match self.slot(key.as_str(), budget)? {
            Some(slot) => *slot = value,
            None => self.0.push((key, value)),
        }
        Ok(())
    }

    pub fn into_value(self) -> Value<'a> {
        Value::Map(Map::Computed(self.0.into()))
    }
}
