//! Editors of maps.

use std::borrow::Cow;
use std::fmt::Write;

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};
use crate::ottl::EvalError;
use crate::ottl::context::Item;
use crate::ottl::limits;

pub const FUNCTIONS: &[Function] = &[
    Function::editor(
        "delete_key",
        &[p("target", ParamKind::MapTarget), p("key", ParamKind::Text)],
        delete_key,
        "Removes a key.",
    ),
    Function::editor(
        "delete_matching_keys",
        &[p("target", ParamKind::MapTarget), p("pattern", ParamKind::Regex)],
        |args, item| retain_matching(args, item, false),
        "Removes every key in which the regex is found.",
    ),
    Function::editor(
        "flatten",
        &[
            p("target", ParamKind::MapTarget),
            opt("prefix", ParamKind::Text),
            opt("depth", ParamKind::Int),
            opt("resolveConflicts", ParamKind::Bool),
        ],
        flatten,
        "Moves nested maps and lists to the top under dotted keys.",
    )
    .check(|args| match args.literal(2) {
        Some(AnyValue::Int(depth)) if *depth < 0 => Err((2, "the depth must not be negative".to_owned())),
        _ => Ok(()),
    }),
    Function::editor(
        "keep_keys",
        &[p("target", ParamKind::MapTarget), p("keys", ParamKind::Texts)],
        keep_keys,
        "Removes every key that is not in the list.",
    ),
    Function::editor(
        "keep_matching_keys",
        &[p("target", ParamKind::MapTarget), p("pattern", ParamKind::Regex)],
        |args, item| retain_matching(args, item, true),
        "Removes every key in which the regex is not found.",
    ),
    Function::editor(
        "limit",
        &[
            p("target", ParamKind::MapTarget),
            p("limit", ParamKind::Int),
            p("priority_keys", ParamKind::Texts),
        ],
        limit,
        "Keeps at most `limit` keys: the priority keys first, then the others in order.",
    )
    .check(|args| match args.literal(1) {
        Some(AnyValue::Int(limit)) if *limit < 0 => Err((1, "the limit must not be negative".to_owned())),
        Some(AnyValue::Int(limit)) if args.literal_len(2).is_some_and(|keys| keys as i64 > *limit) => {
            Err((2, "there are more priority keys than the limit allows".to_owned()))
        }
        _ => Ok(()),
    }),
    Function::editor(
        "merge_maps",
        &[
            p("target", ParamKind::MapTarget),
            p("source", ParamKind::Map),
            p("strategy", ParamKind::Choice(&["insert", "update", "upsert"])),
        ],
        merge_maps,
        "Takes over the entries of another map: new ones, known ones, or both.",
    ),
];

fn delete_key(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    // The usual literal key is compared in place.
    if let Some(AnyValue::String(key)) = args.literal(1) {
        args.map_mut(0, item)?.take(key);
        return Ok(());
    }
    let key = args.text(1, &item.view())?.into_str();
    args.map_mut(0, item)?.take(&key);
    Ok(())
}

fn retain_matching(args: &Args, item: &mut Item<'_>, matching: bool) -> Result<(), EvalError> {
    if let Some(pattern) = args.fixed_pattern(1) {
        args.map_mut(0, item)?.retain(|entry| pattern.is_match(&entry.key) == matching);
        return Ok(());
    }
    let doomed: Vec<Str> = {
        let view = item.view();
        let pattern = args.pattern(1, &view)?;
        let map = args.path(0)?.get(&view)?.into_map()?;
        let doomed = map.iter().filter(|entry| pattern.is_match(&entry.key) != matching);
        doomed.map(|entry| entry.key.clone()).collect()
    };
    args.map_mut(0, item)?.retain(|entry| !doomed.contains(&entry.key));
    Ok(())
}

fn texts(args: &Args, index: usize, item: &Item<'_>) -> Result<Vec<Str>, EvalError> {
    let mut texts = Vec::new();
    args.for_each(index, &item.view(), |value| {
        texts.push(value.into_text()?.into_str());
        Ok(())
    })?;
    Ok(texts)
}

fn keep_keys(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let keys = texts(args, 1, item)?;
    args.map_mut(0, item)?.retain(|entry| keys.contains(&entry.key));
    Ok(())
}

fn limit(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let limit = args.int(1, &item.view())?;
    let limit = usize::try_from(limit).map_err(|_| EvalError::fixed("the limit must not be negative"))?;
    let priority = texts(args, 2, item)?;
    let map = args.map_mut(0, item)?;
    if map.len() <= limit {
        return Ok(());
    }
    let preferred = map.iter().filter(|entry| priority.contains(&entry.key)).count();
    let (mut first, mut others) = (limit, limit.saturating_sub(preferred));
    map.retain(|entry| {
        let room = if priority.contains(&entry.key) { &mut first } else { &mut others };
        let kept = *room > 0;
        *room = room.saturating_sub(1);
        kept
    });
    Ok(())
}

fn merge_maps(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let source = match args.map(1, &item.view())? {
        Cow::Owned(entries) => entries,
        Cow::Borrowed(entries) => entries.to_vec(),
    };
    let (insert, update) = match args.choice(2) {
        Some(0) => (true, false),
        Some(1) => (false, true),
        _ => (true, true),
    };
    let target = args.map_mut(0, item)?;
    let index = Index::of(target, source.len());
    let known = target.len();
    for entry in source {
        match index.find(&target[..known], &entry.key) {
            Some(place) if update => target[place].value = entry.value,
            None if insert => target.push(entry),
            _ => {}
        }
    }
    Ok(())
}

/// Finds keys in a map: by a scan in small maps, by a sorted list in large ones, so that hostile
/// data does not cost quadratic time.
struct Index(Option<Vec<usize>>);

impl Index {
    fn of(map: &[KeyValue], lookups: usize) -> Self {
        const SMALL: usize = 4096;
        if map.len().saturating_mul(lookups) <= SMALL {
            return Self(None);
        }
        let mut places: Vec<usize> = (0..map.len()).collect();
        places.sort_by(|a, b| map[*a].key.cmp(&map[*b].key));
        Self(Some(places))
    }

    fn find(&self, map: &[KeyValue], key: &str) -> Option<usize> {
        match &self.0 {
            None => map.iter().position(|entry| entry.key == key),
            Some(places) => {
                let found = places.binary_search_by(|place| map[*place].key.as_str().cmp(key)).ok()?;
                Some(places[found])
            }
        }
    }
}

fn flatten(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let (prefix, depth, rename) = {
        let view = item.view();
        let prefix = args.text_or(1, "", &view)?.into_str();
        let depth = args.int_or(2, i64::MAX, &view)?;
        (prefix, depth, args.bool_or(3, false, &view)?)
    };
    let depth = usize::try_from(depth).map_err(|_| EvalError::fixed("the depth must not be negative"))?;
    let map = args.map_mut(0, item)?;
    let nested = |entry: &KeyValue| matches!(entry.value, AnyValue::Map(_) | AnyValue::Array(_));
    if prefix.is_empty() && !map.iter().any(nested) {
        return Ok(());
    }
    let mut flat = Flat { entries: Vec::with_capacity(map.len()), bytes: 0 };
    let taken = std::mem::take(map);
    let mut result = Ok(());
    for entry in taken {
        let key = if prefix.is_empty() { entry.key } else { join(&prefix, &entry.key) };
        result = result.and(flat.put(key, entry.value, depth));
    }
    make_unique(&mut flat.entries, rename);
    *map = flat.entries;
    result
}

fn join(prefix: &str, key: &str) -> Str {
    let mut joined = Str::with_capacity(prefix.len() + 1 + key.len());
    joined.push_str(prefix);
    joined.push('.');
    joined.push_str(key);
    joined
}

/// The flat map in the making.
struct Flat {
    entries: Vec<KeyValue>,
    /// Bytes of keys that were made.
    bytes: usize,
}

impl Flat {
    /// Adds a value, taken apart down to `depth` levels. Past the size limit it stays as it is.
    fn put(&mut self, key: Str, value: AnyValue, depth: usize) -> Result<(), EvalError> {
        self.bytes += key.len();
        let fits = limits::check_text(self.bytes).and(limits::check_values(self.entries.len()));
        match value {
            AnyValue::Map(entries) if depth > 0 && fits.is_ok() => {
                let mut result = Ok(());
                for entry in entries {
                    // The rest is kept even when something does not fit.
                    result = result.and(self.put(join(&key, &entry.key), entry.value, depth - 1));
                }
                result
            }
            // The items of a list are not taken apart further.
            AnyValue::Array(items) if fits.is_ok() => {
                for (i, item) in items.into_iter().enumerate() {
                    let mut joined = join(&key, "");
                    let _ = write!(joined, "{i}");
                    self.bytes += joined.len();
                    self.entries.push(KeyValue { key: joined, value: item });
                }
                limits::check_values(self.entries.len())
            }
            value => {
                self.entries.push(KeyValue { key, value });
                fits
            }
        }
    }
}

/// Makes keys unique: the last value of a key wins, at the place of the first.
pub fn deduplicate(entries: &mut Vec<KeyValue>) {
    make_unique(entries, false);
}

fn make_unique(entries: &mut Vec<KeyValue>, rename: bool) {
    let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        *entries = unique(std::mem::take(entries), rename);
    }
}

/// With `rename`, keys that meet get a number instead of replacing each other.
fn unique(entries: Vec<KeyValue>, rename: bool) -> Vec<KeyValue> {
    let mut places = std::collections::HashMap::with_capacity(entries.len());
    let mut unique: Vec<KeyValue> = Vec::with_capacity(entries.len());
    for mut entry in entries {
        if rename {
            let mut number = 1;
            let base = entry.key.clone();
            while places.contains_key(&entry.key) {
                entry.key = Str::from(format!("{base}.{number}"));
                number += 1;
            }
        }
        if let Some(place) = places.get(&entry.key) {
            unique[*place] = entry;
        } else {
            places.insert(entry.key.clone(), unique.len());
            unique.push(entry);
        }
    }
    unique
}
