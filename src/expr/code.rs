//! What runs: a compact tree over borrowed values.

use std::cmp::Ordering;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::otlp::{AnyValue, Str};

use super::Presence;
use super::ast::{Binary, Pointer};
use super::builtins::{Builtin, Predicate};
use super::clock::Moment;
use super::environment::Nothing;
use super::error::EvalError;
use super::eval::Frame;
use super::types::Type;
use super::value::{List, Value};

#[derive(Debug)]
pub(super) enum Code {
    Constant(Constant),
    Root(Root),
    /// Fields below the body, the attributes or the resource: what conditions mostly look at.
    Path(Root, Box<[Str]>),
    /// A `let`, by its place from the outermost.
    Variable(usize),
    Pointer(Pointer),
    List(Box<[Code]>),
    Map(Box<[(Code, Code)]>),
    Not(Box<Code>),
    Minus(Box<Code>),
    Plus(Box<Code>),
    And(Box<[Code]>),
    /// The last may be of any kind (`?:`).
    Or(Box<[Code]>),
    /// `==`, or `!=` when true.
    Equal(Box<(Code, Code)>, bool),
    IsNil(Box<Code>, bool),
    /// Whether something is at a path, of which so many keys may lead to nothing:
    /// `a != nil and a.b != nil` in one walk.
    Present(Root, Box<[Str]>, usize),
    Order(Order, Box<(Code, Code)>),
    Orders(Box<Code>, Box<[(Order, Code)]>),
    In(Box<(Code, Code)>),
    Matches(Box<Code>, Regex),
    MatchesDynamic(Box<(Code, Code)>),
    Test(Test, Box<(Code, Code)>),
    Range(Box<(Code, Code)>),
    Coalesce(Box<(Code, Code)>),
    Arithmetic(Binary, Box<(Code, Code)>),
    Conditional(Box<(Code, Code, Code)>),
    /// The steps and whether nil before each ends the access with nil (`?.`).
    Access(Box<Code>, Box<[(StepCode, bool)]>),
    Call(&'static Builtin, Box<[Code]>),
    Each(Box<Each>),
    Let(Box<(Code, Code)>),
    Sequence(Box<[Code]>),
}

#[derive(Debug)]
pub(super) enum StepCode {
    Field(Str),
    Index(Code),
    Slice(Option<Code>, Option<Code>),
    Method(Box<str>, Box<[Code]>),
}

#[derive(Debug)]
pub(super) struct Each {
    pub predicate: Predicate,
    pub list: Code,
    pub body: Option<Code>,
    /// Order of `sortBy`, start of `reduce`.
    pub extra: Option<Code>,
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a record offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Body,
    Attributes,
    Resource,
    Timestamp,
    ObservedTimestamp,
    SeverityText,
    SeverityNumber,
    TraceId,
    SpanId,
    ScopeName,
}

impl Root {
    pub const NAMES: &[(&str, Root)] = &[
        ("body", Root::Body),
        ("$", Root::Body),
        ("attributes", Root::Attributes),
        ("resource", Root::Resource),
        ("timestamp", Root::Timestamp),
        ("observed_timestamp", Root::ObservedTimestamp),
        ("severity_text", Root::SeverityText),
        ("severity_number", Root::SeverityNumber),
        ("trace_id", Root::TraceId),
        ("span_id", Root::SpanId),
        ("scope_name", Root::ScopeName),
    ];

    pub fn find(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, root)| *root)
    }

    pub fn kind(self) -> Type {
        match self {
            Self::Body => Type::Any,
            Self::Attributes | Self::Resource => Type::Map,
            Self::Timestamp | Self::ObservedTimestamp => Type::Time,
            Self::SeverityNumber => Type::Int,
            Self::SeverityText | Self::TraceId | Self::SpanId | Self::ScopeName => Type::String,
        }
    }
}

/// Tests of two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Contains,
    StartsWith,
    EndsWith,
}

/// `<`, `<=`, `>`, `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    wanted: Ordering,
    or_equal: bool,
}

impl Order {
    pub fn new(op: Binary) -> Self {
        let wanted =
            if matches!(op, Binary::Less | Binary::LessEqual) { Ordering::Less } else { Ordering::Greater };
        Self { wanted, or_equal: matches!(op, Binary::LessEqual | Binary::GreaterEqual) }
    }

    pub fn holds(self, order: Ordering) -> bool {
        order == self.wanted || self.or_equal && order == Ordering::Equal
    }

    pub fn symbol(self) -> &'static str {
        match (self.wanted, self.or_equal) {
            (Ordering::Less, false) => "<",
            (Ordering::Less, true) => "<=",
            (_, false) => ">",
            (_, true) => ">=",
        }
    }
}

/// A value known at start.
#[derive(Debug)]
pub(super) enum Constant {
    Any(AnyValue),
    Range(i64, i64),
    Time(Moment),
    Duration(SignedDuration),
    Zone(TimeZone),
}

impl Constant {
    pub fn nil() -> Self {
        Self::Any(AnyValue::Empty)
    }

    pub fn from_any(value: impl Into<AnyValue>) -> Self {
        Self::Any(value.into())
    }

    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self::Any(AnyValue::Bytes(bytes))
    }

    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Any(value) => Value::from(value),
            Self::Range(from, to) => Value::List(List::Range(*from, *to)),
            Self::Time(time) => Value::Time(*time),
            Self::Duration(duration) => Value::Duration(*duration),
            Self::Zone(zone) => Value::Zone(zone.clone()),
        }
    }

    /// `None` for lists and maps that hold what an attribute cannot.
    fn of(value: &Value) -> Option<Self> {
        fn is_plain(value: &Value) -> bool {
            match value {
                Value::Time(_) | Value::Duration(_) | Value::Zone(_) => false,
                Value::List(list) => list.iter().all(|item| is_plain(&item)),
                Value::Map(map) => map.iter().all(|(_, value)| is_plain(&value)),
                _ => true,
            }
        }
        Some(match value {
            Value::List(List::Range(from, to)) => Self::Range(*from, *to),
            Value::Time(time) => Self::Time(*time),
            Value::Duration(duration) => Self::Duration(*duration),
            Value::Zone(zone) => Self::Zone(zone.clone()),
            value if is_plain(value) => Self::Any(value.to_any()),
            _ => return None,
        })
    }
}

impl Code {
    /// Access by steps; plain fields of a part of the record become a path.
    pub fn access(base: Self, steps: Vec<(StepCode, bool)>) -> Self {
        let is_field = |(step, optional): &(StepCode, bool)| matches!(step, StepCode::Field(_)) && !optional;
        match base {
            Self::Root(root @ (Root::Body | Root::Attributes | Root::Resource))
                if steps.iter().all(is_field) =>
            {
                let keys = steps.into_iter().filter_map(|(step, _)| match step {
                    StepCode::Field(key) => Some(key),
                    _ => None,
                });
                Self::Path(root, keys.collect())
            }
            base => Self::Access(Box::new(base), steps.into()),
        }
    }

    /// All of the conditions.
    pub fn all(parts: Vec<Self>) -> Self {
        let mut joined: Vec<Self> = Vec::with_capacity(parts.len());
        for part in parts {
            if let Some(before) = joined.last_mut()
                && let Some(both) = before.and_below(&part)
            {
                *before = both;
            } else {
                joined.push(part);
            }
        }
        Self::And(joined.into())
    }

    /// `a != nil` and then `a.b != nil`, as one.
    fn and_below(&self, next: &Self) -> Option<Self> {
        let (Self::IsNil(above, true), Self::IsNil(below, true)) = (self, next) else { return None };
        match (&**above, &**below) {
            (Self::Path(root, above), Self::Path(same, below))
                if root == same && below.len() == above.len() + 1 && below.starts_with(above) =>
            {
                Some(Self::Present(*root, below.clone(), above.len()))
            }
            _ => None,
        }
    }

    /// The place that a condition looks at first: where nothing is there, it does not hold.
    pub fn guard(&self) -> Option<(Root, &[Str])> {
        match self {
            Self::And(parts) => parts.first()?.guard(),
            Self::Present(root, keys, upto) => Some((*root, &keys[..*upto])),
            Self::IsNil(code, true) => match &**code {
                Self::Path(root, keys) => Some((*root, keys)),
                _ => None,
            },
            _ => None,
        }
    }

    /// See [`Presence`].
    pub fn presence(&self) -> Option<Presence<'_>> {
        match self {
            Self::Present(Root::Attributes, keys, _) => Some(Presence { something: keys, nothing: None }),
            Self::And(parts) => {
                let (first, second) = match &**parts {
                    [first] => (first, None),
                    [first, second] => (first, Some(second.nothing()?)),
                    _ => return None,
                };
                let first = first.presence().filter(|first| first.nothing.is_none())?;
                Some(Presence { nothing: second, ..first })
            }
            _ => None,
        }
    }

    /// The path below the attributes where nothing must be.
    fn nothing(&self) -> Option<&[Str]> {
        match self {
            Self::IsNil(code, false) => match &**code {
                Self::Path(Root::Attributes, keys) => Some(keys),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn negated(self) -> Self {
        match self {
            Self::Equal(pair, negated) => Self::Equal(pair, !negated),
            Self::IsNil(code, negated) => Self::IsNil(code, !negated),
            code => Self::Not(Box::new(code)),
        }
    }

    pub fn constant_text(&self) -> Option<&str> {
        match self {
            Self::Constant(Constant::Any(AnyValue::String(text))) => Some(text),
            _ => None,
        }
    }

    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    /// Whether the value follows from constants alone, so that it can be computed now.
    fn is_foldable(&self) -> bool {
        let pair = |pair: &(Code, Code)| pair.0.is_constant() && pair.1.is_constant();
        match self {
            Self::List(items) => items.iter().all(Code::is_constant),
            Self::Map(entries) => entries.iter().all(pair),
            Self::Not(code)
            | Self::Minus(code)
            | Self::Plus(code)
            | Self::IsNil(code, _)
            | Self::Matches(code, _) => code.is_constant(),
            Self::Equal(both, _)
            | Self::Order(_, both)
            | Self::In(both)
            | Self::MatchesDynamic(both)
            | Self::Test(_, both)
            | Self::Range(both)
            | Self::Coalesce(both)
            | Self::Arithmetic(_, both) => pair(both),
            Self::And(parts) | Self::Or(parts) => parts.iter().all(Code::is_constant),
            Self::Conditional(all) => all.0.is_constant() && all.1.is_constant() && all.2.is_constant(),
            Self::Call(builtin, args) => builtin.pure && args.iter().all(Code::is_constant),
            _ => false,
        }
    }

    /// Computes what can be computed without a record; `Some` of the type then.
    pub fn fold(self) -> Result<(Self, Option<Type>), EvalError> {
        if !self.is_foldable() {
            return Ok((self, None));
        }
        let folded = {
            let mut frame = Frame::new(&Nothing);
            let value = frame.eval(&self)?;
            Constant::of(&value).map(|constant| (Self::Constant(constant), value.kind()))
        };
        Ok(folded.map_or((self, None), |(code, kind)| (code, Some(kind))))
    }
}
