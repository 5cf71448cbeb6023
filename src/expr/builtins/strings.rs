//! Functions over text.

use super::super::error::EvalError;
use super::super::value::{Text, Value};
use super::{Budget, int, text, wrong};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// The part of the first argument that `cut` keeps, borrowed when the argument is.
fn part<'a>(args: &[Value<'a>], operation: &'static str, cut: impl FnOnce(&str) -> &str) -> Result<'a> {
    let Value::Text(whole) = &args[0] else { return wrong(operation, "a string", &args[0]) };
    let kept = cut(whole.as_str());
    let start = kept.as_ptr() as usize - whole.as_str().as_ptr() as usize;
    Ok(Value::Text(whole.slice(start..start + kept.len())))
}

pub fn trim<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    if args.len() < 2 {
        return part(args, "trim", str::trim);
    }
    let set = text(args, 1, "trim")?;
    part(args, "trim", |s| s.trim_matches(|c| set.contains(c)))
}

pub fn trim_prefix<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let prefix = if args.len() < 2 { " " } else { text(args, 1, "trimPrefix")? };
    part(args, "trimPrefix", |s| s.strip_prefix(prefix).unwrap_or(s))
}

pub fn trim_suffix<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let suffix = if args.len() < 2 { " " } else { text(args, 1, "trimSuffix")? };
    part(args, "trimSuffix", |s| s.strip_suffix(suffix).unwrap_or(s))
}

pub fn upper<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let s = text(args, 0, "upper")?;
    budget.spend(s.len())?;
    Ok(s.to_uppercase().into())
}

pub fn lower<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let s = text(args, 0, "lower")?;
    budget.spend(s.len())?;
    Ok(s.to_lowercase().into())
}

pub fn split<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    split_with(args, budget, "split", false)
}

pub fn split_after<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    split_with(args, budget, "splitAfter", true)
}

fn split_with<'a>(args: &[Value<'a>], budget: &mut Budget, name: &'static str, keep: bool) -> Result<'a> {
    let Value::Text(whole) = &args[0] else { return wrong(name, "a string", &args[0]) };
    let separator = text(args, 1, name)?;
    let most = match args.len() {
        3 => int(args, 2, name)?,
        _ => -1,
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let s = whole.as_str();
    budget.spend(s.len())?;
    let mut parts = Vec::new();
    let mut start = 0;
    if most == 0 {
        return Ok(Value::list(parts));
    }
    while parts.len() + 1 < most {
        let found = if separator.is_empty() {
            let len = s[start..].chars().next().map_or(0, char::len_utf8);
            (start + len < s.len()).then_some(len)
        } else {
            s[start..].find(separator)
        };
        let Some(len) = found else { break };
        let end = start + len;
        budget.spend(size_of::<Value>())?;
        parts.push(Value::Text(whole.slice(start..if keep { end + separator.len() } else { end })));
        start = end + separator.len();
    }
    if start < s.len() || !separator.is_empty() {
        parts.push(Value::Text(whole.slice(start..s.len())));
    }
    Ok(Value::list(parts))
}

pub fn replace<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (s, old, new) = (text(args, 0, "replace")?, text(args, 1, "replace")?, text(args, 2, "replace")?);
    let most = if args.len() > 3 { int(args, 3, "replace")? } else { -1 };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let found = s.matches(old).take(most).count();
    budget.spend(s.len() + found.saturating_mul(new.len()))?;
    if found == 0 {
        return Ok(args[0].clone());
    }
    Ok(s.replacen(old, new, most).into())
}

pub fn repeat<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let s = text(args, 0, "repeat")?;
    let Ok(times) = usize::try_from(int(args, 1, "repeat")?) else {
        return Err(EvalError::Other("repeat needs a number that is not negative"));
    };
    budget.spend(s.len().saturating_mul(times))?;
    Ok(s.repeat(times).into())
}

pub fn join<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let Value::List(list) = &args[0] else { return wrong("join", "an array", &args[0]) };
    let separator = if args.len() > 1 { text(args, 1, "join")? } else { "" };
    let mut joined = String::new();
    for (n, item) in list.iter().enumerate() {
        let Some(text) = item.as_str() else { return wrong("join", "an array of strings", &item) };
        budget.spend(text.len() + separator.len() + 1)?;
        if n > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    Ok(joined.into())
}

fn index<'a>(at: Option<usize>) -> Value<'a> {
    Value::Int(at.map_or(-1, |at| at as i64))
}

pub fn index_of<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(index(text(args, 0, "indexOf")?.find(text(args, 1, "indexOf")?)))
}

pub fn last_index_of<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(index(text(args, 0, "lastIndexOf")?.rfind(text(args, 1, "lastIndexOf")?)))
}

pub fn has_prefix<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(Value::Bool(text(args, 0, "hasPrefix")?.starts_with(text(args, 1, "hasPrefix")?)))
}

pub fn has_suffix<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(Value::Bool(text(args, 0, "hasSuffix")?.ends_with(text(args, 1, "hasSuffix")?)))
}

/// Byte range of `text[from:to]`: counted from the end when negative, clamped to the text and to
/// the borders of characters.
pub(in super::super) fn slice_range(text: &Text, from: i64, to: Option<i64>) -> std::ops::Range<usize> {
    let s = text.as_str();
    let range = super::lists::slice_range(s.len(), from, to);
    s.floor_char_boundary(range.start)..s.floor_char_boundary(range.end)
}
