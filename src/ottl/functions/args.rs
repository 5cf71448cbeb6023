//! Compiled arguments, and getting typed values out of them.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use super::Function;
use crate::otlp::{AnyValue, KeyValue, Str};
use crate::ottl::EvalError;
use crate::ottl::context::{Item, View};
use crate::ottl::expr::Expr;
use crate::ottl::grok::Grok;
use crate::ottl::layout::Layout;
use crate::ottl::path::Path;
use crate::ottl::pattern::Pattern;
use crate::ottl::text::text_of;
use crate::ottl::time::{Span, Time};
use crate::ottl::value::{Peek, Text, Value};
use crate::ottl::xml::XPath;

/// The arguments of a call in the order of the parameters.
#[derive(Debug, Default)]
pub struct Args(pub Vec<Arg>);

/// One argument, compiled for its parameter.
#[derive(Debug)]
pub enum Arg {
    /// Optional and left out.
    Missing,
    Path(Path),
    Expr(Expr),
    Exprs(Vec<Expr>),
    Pattern(Pattern),
    /// A pattern that is known at run time only; the last one is kept.
    DynamicPattern {
        expr: Expr,
        glob: bool,
        last: LastPattern,
    },
    Layout(Layout),
    DynamicLayout(Expr),
    Grok(Box<Grok>),
    XPath(XPath),
    /// The place in the list of choices.
    Choice(usize),
    Function(&'static Function),
}

/// The pattern that was compiled last, with its text.
#[derive(Debug, Default)]
pub struct LastPattern(Mutex<Option<(String, Arc<Pattern>)>>);

/// A pattern from an argument.
pub enum PatternRef<'a> {
    Fixed(&'a Pattern),
    Shared(Arc<Pattern>),
}

impl std::ops::Deref for PatternRef<'_> {
    type Target = Pattern;
    fn deref(&self) -> &Pattern {
        match self {
            Self::Fixed(pattern) => pattern,
            Self::Shared(pattern) => pattern,
        }
    }
}

const WRONG_KIND: EvalError =
    EvalError::Other(Cow::Borrowed("the argument was compiled for another parameter"));

impl Args {
    pub fn is_missing(&self, index: usize) -> bool {
        matches!(self.0[index], Arg::Missing)
    }

    /// The paths that an editor may change.
    pub fn targets(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|arg| if let Arg::Path(path) = arg { Some(path) } else { None })
    }

    /// The value; nil when it is left out.
    pub fn value<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Value<'a>, EvalError> {
        match &self.0[index] {
            Arg::Expr(expr) => expr.eval(view),
            Arg::Path(path) => path.get(view),
            _ => Ok(Value::Nil),
        }
    }

    /// The value, if it lies in the telemetry as it is.
    #[inline]
    pub fn peek<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Peek<'a>, EvalError> {
        match &self.0[index] {
            Arg::Expr(expr) => expr.peek(view),
            _ => Ok(Peek::Computed),
        }
    }

    pub fn text<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Text<'a>, EvalError> {
        self.value(index, view)?.into_text()
    }

    pub fn text_or<'a>(
        &'a self,
        index: usize,
        default: &'static str,
        view: &View<'a>,
    ) -> Result<Text<'a>, EvalError> {
        if self.is_missing(index) { Ok(Text::Borrowed(default)) } else { self.text(index, view) }
    }

    /// The text form; nothing for nil.
    pub fn text_like<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Option<Text<'a>>, EvalError> {
        text_of(self.value(index, view)?)
    }

    pub fn int(&self, index: usize, view: &View<'_>) -> Result<i64, EvalError> {
        self.value(index, view)?.as_int()
    }

    pub fn int_or(&self, index: usize, default: i64, view: &View<'_>) -> Result<i64, EvalError> {
        if self.is_missing(index) { Ok(default) } else { self.int(index, view) }
    }

    pub fn bool_or(&self, index: usize, default: bool, view: &View<'_>) -> Result<bool, EvalError> {
        if self.is_missing(index) { Ok(default) } else { self.value(index, view)?.as_bool() }
    }

    pub fn float(&self, index: usize, view: &View<'_>) -> Result<f64, EvalError> {
        self.value(index, view)?.as_double()
    }

    pub fn time(&self, index: usize, view: &View<'_>) -> Result<Time, EvalError> {
        match self.value(index, view)? {
            Value::Time(time) => Ok(time),
            other => other.mismatch("time"),
        }
    }

    pub fn duration(&self, index: usize, view: &View<'_>) -> Result<Span, EvalError> {
        match self.value(index, view)? {
            Value::Duration(span) => Ok(span),
            other => other.mismatch("duration"),
        }
    }

    pub fn map<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Cow<'a, [KeyValue]>, EvalError> {
        self.value(index, view)?.into_map()
    }

    pub fn list<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Cow<'a, [AnyValue]>, EvalError> {
        self.value(index, view)?.into_list()
    }

    /// Calls `visit` with each item of a list: of a literal one with values of all types.
    pub fn for_each<'a>(
        &'a self,
        index: usize,
        view: &View<'a>,
        mut visit: impl FnMut(Value<'_>) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        match &self.0[index] {
            Arg::Missing => Ok(()),
            Arg::Exprs(items) => items.iter().try_for_each(|item| visit(item.eval(view)?)),
            _ => self.list(index, view)?.iter().try_for_each(|item| visit(Value::from(item))),
        }
    }

    /// How many items a literal list has.
    pub fn literal_len(&self, index: usize) -> Option<usize> {
        match &self.0[index] {
            Arg::Exprs(items) => Some(items.len()),
            Arg::Expr(Expr::Literal(AnyValue::Array(items))) => Some(items.len()),
            _ => None,
        }
    }

    /// The literal value, when it is one.
    pub fn literal(&self, index: usize) -> Option<&AnyValue> {
        match &self.0[index] {
            Arg::Expr(Expr::Literal(value)) => Some(value),
            _ => None,
        }
    }

    /// The strings of a literal list; none when it is left out, nothing when some are not literal.
    pub fn literal_texts(&self, index: usize) -> Option<Vec<Str>> {
        match &self.0[index] {
            Arg::Missing => Some(Vec::new()),
            Arg::Exprs(items) => items
                .iter()
                .map(|item| match item {
                    Expr::Literal(AnyValue::String(text)) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }

    pub fn grok(&self, index: usize) -> Result<&Grok, EvalError> {
        match &self.0[index] {
            Arg::Grok(grok) => Ok(grok),
            _ => Err(WRONG_KIND),
        }
    }

    /// The compiled path, unless it is left out.
    pub fn xpath(&self, index: usize) -> Option<&XPath> {
        match &self.0[index] {
            Arg::XPath(path) => Some(path),
            _ => None,
        }
    }

    pub fn path(&self, index: usize) -> Result<&Path, EvalError> {
        match &self.0[index] {
            Arg::Path(path) => Ok(path),
            _ => Err(WRONG_KIND),
        }
    }

    /// The map that the path leads to.
    pub fn map_mut<'b>(
        &self,
        index: usize,
        item: &'b mut Item<'_>,
    ) -> Result<&'b mut Vec<KeyValue>, EvalError> {
        self.path(index)?.map_mut(item)
    }

    pub fn choice(&self, index: usize) -> Option<usize> {
        match self.0[index] {
            Arg::Choice(choice) => Some(choice),
            _ => None,
        }
    }

    pub fn function(&self, index: usize) -> Option<&'static Function> {
        match self.0[index] {
            Arg::Function(function) => Some(function),
            _ => None,
        }
    }

    pub fn pattern<'a>(&'a self, index: usize, view: &View<'a>) -> Result<PatternRef<'a>, EvalError> {
        match &self.0[index] {
            Arg::Pattern(pattern) => Ok(PatternRef::Fixed(pattern)),
            Arg::DynamicPattern { expr, glob, last } => {
                Ok(PatternRef::Shared(last.get(&expr.eval(view)?.into_text()?, *glob)?))
            }
            _ => Err(WRONG_KIND),
        }
    }

    /// The pattern, when it is known before anything runs.
    pub fn fixed_pattern(&self, index: usize) -> Option<&Pattern> {
        match &self.0[index] {
            Arg::Pattern(pattern) => Some(pattern),
            _ => None,
        }
    }

    pub fn layout<'a>(&'a self, index: usize, view: &View<'a>) -> Result<Cow<'a, Layout>, EvalError> {
        match &self.0[index] {
            Arg::Layout(layout) => Ok(Cow::Borrowed(layout)),
            Arg::DynamicLayout(expr) => {
                Layout::new(&expr.eval(view)?.into_text()?).map(Cow::Owned).map_err(EvalError::text)
            }
            _ => Err(WRONG_KIND),
        }
    }
}

impl LastPattern {
    fn get(&self, text: &str, glob: bool) -> Result<Arc<Pattern>, EvalError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, pattern)) = &*last
            && known == text
        {
            return Ok(pattern.clone());
        }
        let pattern = if glob { Pattern::glob(text) } else { Pattern::new(text) };
        let pattern = Arc::new(pattern.map_err(EvalError::text)?);
        *last = Some((text.to_owned(), pattern.clone()));
        Ok(pattern)
    }
}
