//! Paths into objects: keys, indexes and choices among the items of a list.

use serde_json::Value;

/// A path, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A key of a map, or an index into a list; negative ones count from its end.
    Key(String),
    /// `[name=web]`: the first item whose field has that value.
    Choice { key: String, value: String },
}

impl Path {
    /// Takes the steps apart; an error says what is wrong with one.
    pub fn parse(steps: &[String]) -> Result<Self, String> {
        let step = |text: &String| {
            let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
                return Ok(Step::Key(text.clone()));
            };
            match inner.split_once('=') {
                Some((key, value)) if !key.is_empty() => {
                    Ok(Step::Choice { key: key.to_owned(), value: value.to_owned() })
                }
                Some(_) => Err(format!("\"{text}\" names no field: write \"[name=web]\"")),
                None => Ok(Step::Key(inner.to_owned())),
            }
        };
        steps.iter().map(step).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is at the path; nothing when it is not there or null.
    pub fn find<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        let found = self.0.iter().try_fold(root, |value, step| match (step, value) {
            (Step::Key(key), Value::Object(map)) => map.get(key),
            (Step::Key(key), Value::Array(items)) => {
                let index: i64 = key.parse().ok()?;
                let index = if index < 0 { index.checked_add(items.len() as i64)? } else { index };
                items.get(usize::try_from(index).ok()?)
            }
            (Step::Choice { key, value: wanted }, Value::Array(items)) => items.iter().find(|item| {
                item.get(key).is_some_and(|found| super::values::text(found).as_deref() == Some(wanted))
            }),
            _ => None,
        })?;
        (!found.is_null()).then_some(found)
    }
}
