//! Editors that replace parts of texts.

use super::{Args, EvalError, Function, ParamKind, Run, opt, p};
use crate::otlp::{AnyValue, KeyValue, Str};
use crate::ottl::context::{Item, View};
use crate::ottl::expr::Expr;
use crate::ottl::functions::Arg;
use crate::ottl::limits;
use crate::ottl::pattern::Pattern;
use crate::ottl::text::text_of;
use crate::ottl::value::Value;

const REPLACEMENT: super::Param = p("replacement", ParamKind::Text);
const FUNCTION: super::Param = opt("function", ParamKind::Function);
const FORMAT: super::Param = opt("replacement_format", ParamKind::Text);

pub const FUNCTIONS: &[Function] = &[
    Function::editor(
        "replace_all_matches",
        &[p("target", ParamKind::MapTarget), p("pattern", ParamKind::Glob), REPLACEMENT, FUNCTION, FORMAT],
        replace_all_matches,
        "Replaces every string value that the glob matches as a whole.",
    ),
    Function::editor(
        "replace_all_patterns",
        &[
            p("target", ParamKind::MapTarget),
            p("mode", ParamKind::Choice(&["value", "key"])),
            p("regex", ParamKind::Regex),
            REPLACEMENT,
            FUNCTION,
            FORMAT,
        ],
        replace_all_patterns,
        "Replaces what the regex finds in every string value, or in every key.",
    ),
    Function::editor(
        "replace_match",
        &[p("target", ParamKind::Target), p("pattern", ParamKind::Glob), REPLACEMENT, FUNCTION, FORMAT],
        replace_match,
        "Replaces a string if the glob matches it as a whole.",
    ),
    Function::editor(
        "replace_pattern",
        &[p("target", ParamKind::Target), p("regex", ParamKind::Regex), REPLACEMENT, FUNCTION, FORMAT],
        replace_pattern,
        "Replaces what the regex finds in a string; `$1` and `${name}` are its groups.",
    ),
];

/// The replacement with what is made of it.
struct Replacement<'a> {
    text: Str,
    function: Option<&'static Function>,
    format: Option<Str>,
    view: &'a View<'a>,
}

impl<'a> Replacement<'a> {
    /// From the arguments `first` (the text), and the two after it.
    fn new(args: &Args, first: usize, view: &'a View<'a>) -> Result<Self, EvalError> {
        Ok(Self {
            text: args.text(first, view)?.into_str(),
            function: args.function(first + 1),
            format: if args.is_missing(first + 2) {
                None
            } else {
                Some(args.text(first + 2, view)?.into_str())
            },
            view,
        })
    }

    /// Applies the function and the format to an expanded replacement.
    fn finish(&self, expanded: &str) -> Result<Option<Str>, EvalError> {
        let Some(function) = self.function else { return Ok(None) };
        let Run::Converter(run) = function.run else { return Ok(None) };
        let mut args = Args(vec![Arg::Expr(Expr::Literal(AnyValue::from(expanded)))]);
        args.0.resize_with(function.params.len(), || Arg::Missing);
        let made = text_of(run(&args, self.view)?)?;
        let made = made.as_deref().unwrap_or_default();
        Ok(Some(match &self.format {
            Some(format) => Str::from(format.replacen("%s", made, 1)),
            None => Str::from(made),
        }))
    }

    /// `text` with everything that `pattern` finds replaced; nothing when it finds nothing.
    fn in_text(&self, text: &str, pattern: &Pattern) -> Result<Option<Str>, EvalError> {
        let regex = pattern.regex();
        let literal = self.function.is_none() && !self.text.contains('$');
        let mut out = String::new();
        let mut last = 0;
        if literal {
            for found in regex.find_iter(text) {
                out.push_str(&text[last..found.start()]);
                out.push_str(&self.text);
                limits::check_text(out.len())?;
                last = found.end();
            }
            return Ok((last > 0 || !out.is_empty()).then(|| Str::from(out + &text[last..])))
                .and_then(checked);
        }
        let mut found_any = false;
        for captures in regex.captures_iter(text) {
            let Some(found) = captures.get(0) else { continue };
            found_any = true;
            out.push_str(&text[last..found.start()]);
            let from = out.len();
            pattern.expand(&self.text, &captures, &mut out);
            if let Some(made) = self.finish(&out[from..])? {
                out.truncate(from);
                out.push_str(&made);
            }
            limits::check_text(out.len())?;
            last = found.end();
        }
        out.push_str(&text[last..]);
        Ok(found_any.then(|| Str::from(out))).and_then(checked)
    }

    /// The replacement for a text that matched as a whole.
    fn whole(&self) -> Result<Str, EvalError> {
        Ok(self.finish(&self.text)?.unwrap_or_else(|| self.text.clone()))
    }
}

fn checked(text: Option<Str>) -> Result<Option<Str>, EvalError> {
    if let Some(text) = &text {
        limits::check_text(text.len())?;
    }
    Ok(text)
}

fn replace_pattern(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let path = args.path(0)?;
    let replaced = {
        let view = item.view();
        let Value::Text(text) = path.get(&view)? else { return Ok(()) };
        let pattern = args.pattern(1, &view)?;
        if !pattern.is_match(&text) {
            return Ok(());
        }
        Replacement::new(args, 2, &view)?.in_text(&text, &pattern)?
    };
    match replaced {
        Some(text) => path.set(item, Value::text(text)),
        None => Ok(()),
    }
}

fn replace_match(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let path = args.path(0)?;
    let replaced = {
        let view = item.view();
        let Value::Text(text) = path.get(&view)? else { return Ok(()) };
        if !args.pattern(1, &view)?.is_match(&text) {
            return Ok(());
        }
        Replacement::new(args, 2, &view)?.whole()?
    };
    path.set(item, Value::text(replaced))
}

fn replace_all_matches(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    change_entries(args, item, |args, view, entries| {
        let pattern = args.pattern(1, view)?;
        let replacement = Replacement::new(args, 2, view)?.whole()?;
        let matching = |entry: &KeyValue| entry.value.as_str().is_some_and(|text| pattern.is_match(text));
        let places = entries.iter().enumerate().filter(|(_, entry)| matching(entry));
        Ok(places.map(|(place, _)| (place, replacement.clone())).collect())
    })
    .map(|(map, changes)| {
        for (place, text) in changes {
            map[place].value = AnyValue::String(text);
        }
    })
}

fn replace_all_patterns(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let keys = args.choice(1) == Some(1);
    let (map, changes) = change_entries(args, item, |args, view, entries| {
        let pattern = args.pattern(2, view)?;
        let replacement = Replacement::new(args, 3, view)?;
        let mut changes = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            let text = if keys { Some(entry.key.as_str()) } else { entry.value.as_str() };
            if let Some(text) = text
                && let Some(replaced) = replacement.in_text(text, &pattern)?
            {
                changes.push((place, replaced));
            }
        }
        Ok(changes)
    })?;
    if changes.is_empty() {
        return Ok(());
    }
    for (place, text) in changes {
        if keys {
            map[place].key = text;
        } else {
            map[place].value = AnyValue::String(text);
        }
    }
    if keys {
        super::maps::deduplicate(map);
    }
    Ok(())
}

/// Places in a map, and the texts to put there.
type Changes = Vec<(usize, Str)>;

/// What is to become of some entries of the target map, and the map to do it in.
fn change_entries<'b>(
    args: &Args,
    item: &'b mut Item<'_>,
    changes: impl FnOnce(&Args, &View<'_>, &[KeyValue]) -> Result<Changes, EvalError>,
) -> Result<(&'b mut Vec<KeyValue>, Changes), EvalError> {
    let changes = {
        let view = item.view();
        let entries = args.path(0)?.get(&view)?.into_map()?;
        changes(args, &view, &entries)?
    };
    Ok((args.map_mut(0, item)?, changes))
}
