//! The built-in functions: one table, so that the parser, the checker and the evaluator agree.

mod convert;
mod lists;
mod numbers;
mod strings;
mod time;

use super::error::EvalError;
use super::types::Type::{self, Bool, Duration, Float, Int, List, Map, Nil, String, Time, Zone};
use super::value::Value;

/// Work and memory one evaluation may use: elements visited, bytes and elements produced.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    pub const fn new(work: u64) -> Self {
        Self(work)
    }

    pub fn spend(&mut self, work: usize) -> Result<(), EvalError> {
        match self.0.checked_sub(work as u64) {
            Some(rest) => {
                self.0 = rest;
                Ok(())
            }
            None => Err(EvalError::Budget),
        }
    }
}

type Function = for<'a> fn(&[Value<'a>], &mut Budget) -> Result<Value<'a>, EvalError>;

/// A function that takes values.
pub(super) struct Builtin {
    pub name: &'static str,
    /// Kinds each argument may have; empty = any.
    pub required: &'static [&'static [Type]],
    pub optional: &'static [&'static [Type]],
    /// Whether more arguments of the last kind may follow.
    pub variadic: bool,
    pub returns: Type,
    /// The same arguments always give the same value: constants are computed at start.
    pub pure: bool,
    pub call: Function,
}

const ANY: &[Type] = &[];
const TEXT: &[Type] = &[String];
const INT: &[Type] = &[Int, Float];
const NUMBER: &[Type] = &[Int, Float];
const LIST: &[Type] = &[List];
const MAP: &[Type] = &[Map];
const SIZED: &[Type] = &[String, List, Map, Type::Bytes];
const ORDERED: &[Type] = &[Int, Float, List];

const fn function(
    name: &'static str,
    required: &'static [&'static [Type]],
    returns: Type,
    call: Function,
) -> Builtin {
    Builtin { name, required, optional: &[], variadic: false, returns, pure: true, call }
}

const fn with_options(builtin: Builtin, optional: &'static [&'static [Type]]) -> Builtin {
    Builtin { optional, ..builtin }
}

const fn variadic(builtin: Builtin) -> Builtin {
    Builtin { variadic: true, ..builtin }
}

const fn impure(builtin: Builtin) -> Builtin {
    Builtin { pure: false, ..builtin }
}

const BUILTINS: &[Builtin] = &[
    // strings
    with_options(function("trim", &[TEXT], String, strings::trim), &[TEXT]),
    with_options(function("trimPrefix", &[TEXT], String, strings::trim_prefix), &[TEXT]),
    with_options(function("trimSuffix", &[TEXT], String, strings::trim_suffix), &[TEXT]),
    function("upper", &[TEXT], String, strings::upper),
    function("lower", &[TEXT], String, strings::lower),
    with_options(function("split", &[TEXT, TEXT], List, strings::split), &[INT]),
    with_options(function("splitAfter", &[TEXT, TEXT], List, strings::split_after), &[INT]),
    with_options(function("replace", &[TEXT, TEXT, TEXT], String, strings::replace), &[INT]),
    function("repeat", &[TEXT, INT], String, strings::repeat),
    with_options(function("join", &[LIST], String, strings::join), &[TEXT]),
    function("indexOf", &[TEXT, TEXT], Int, strings::index_of),
    function("lastIndexOf", &[TEXT, TEXT], Int, strings::last_index_of),
    function("hasPrefix", &[TEXT, TEXT], Bool, strings::has_prefix),
    function("hasSuffix", &[TEXT, TEXT], Bool, strings::has_suffix),
    // numbers
    variadic(function("max", &[ORDERED], Type::Any, numbers::max)),
    variadic(function("min", &[ORDERED], Type::Any, numbers::min)),
    variadic(function("mean", &[ORDERED], Float, numbers::mean)),
    variadic(function("median", &[ORDERED], Float, numbers::median)),
    function("abs", &[NUMBER], Type::Any, numbers::abs),
    function("ceil", &[NUMBER], Float, numbers::ceil),
    function("floor", &[NUMBER], Float, numbers::floor),
    function("round", &[NUMBER], Float, numbers::round),
    function("bitand", &[INT, INT], Int, numbers::bit_and),
    function("bitor", &[INT, INT], Int, numbers::bit_or),
    function("bitxor", &[INT, INT], Int, numbers::bit_xor),
    function("bitnand", &[INT, INT], Int, numbers::bit_nand),
    function("bitshl", &[INT, INT], Int, numbers::shift_left),
    function("bitshr", &[INT, INT], Int, numbers::shift_right),
    function("bitushr", &[INT, INT], Int, numbers::shift_right_unsigned),
    function("bitnot", &[INT], Int, numbers::bit_not),
    // conversion
    function("type", &[ANY], String, convert::type_name),
    function("int", &[&[Int, Float, String]], Int, convert::int),
    function("float", &[&[Int, Float, String]], Float, convert::float),
    function("string", &[ANY], String, convert::string),
    function("toJSON", &[ANY], String, convert::to_json),
    function("fromJSON", &[TEXT], Type::Any, convert::from_json),
    function("toBase64", &[TEXT], String, convert::to_base64),
    function("fromBase64", &[TEXT], String, convert::from_base64),
    function("env", &[TEXT], String, convert::env),
    function("os_env_var", &[TEXT], String, convert::env),
    // lists and maps
    function("len", &[SIZED], Int, lists::len),
    function("first", &[ANY], Type::Any, lists::first),
    function("last", &[ANY], Type::Any, lists::last),
    function("get", &[ANY, ANY], Type::Any, lists::get),
    function("take", &[LIST, INT], List, lists::take),
    function("reverse", &[LIST], List, lists::reverse),
    function("uniq", &[LIST], List, lists::uniq),
    variadic(function("concat", &[LIST], List, lists::concat)),
    function("flatten", &[LIST], List, lists::flatten),
    with_options(function("sort", &[LIST], List, lists::sort), &[TEXT]),
    function("keys", &[MAP], List, lists::keys),
    function("values", &[MAP], List, lists::values),
    function("toPairs", &[MAP], List, lists::to_pairs),
    function("fromPairs", &[LIST], Map, lists::from_pairs),
    // time
    impure(with_options(function("now", &[], Time, time::now), &[&[Zone]])),
    function("duration", &[TEXT], Duration, time::duration),
    with_options(function("date", &[&[String, Zone]], Time, time::date), &[TEXT, TEXT, TEXT]),
    function("timezone", &[TEXT], Zone, time::timezone),
];

/// A function that takes a predicate: an expression over each element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    All,
    None,
    Any,
    One,
    Filter,
    Map,
    Count,
    Sum,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    GroupBy,
    CountBy,
    SortBy,
    Reduce,
}

const PREDICATES: &[(&str, Predicate)] = &[
    ("all", Predicate::All),
    ("none", Predicate::None),
    ("any", Predicate::Any),
    ("one", Predicate::One),
    ("filter", Predicate::Filter),
    ("map", Predicate::Map),
    ("count", Predicate::Count),
    ("sum", Predicate::Sum),
    ("find", Predicate::Find),
    ("findIndex", Predicate::FindIndex),
    ("findLast", Predicate::FindLast),
    ("findLastIndex", Predicate::FindLastIndex),
    ("groupBy", Predicate::GroupBy),
    ("countBy", Predicate::CountBy),
    ("sortBy", Predicate::SortBy),
    ("reduce", Predicate::Reduce),
];

impl Predicate {
    pub fn find(name: &str) -> Option<Self> {
        PREDICATES.iter().find(|(known, _)| *known == name).map(|(_, predicate)| *predicate)
    }

    pub fn name(self) -> &'static str {
        PREDICATES.iter().find(|(_, predicate)| *predicate == self).map_or("", |(name, _)| name)
    }

    /// Fewest and most arguments, the list included.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Self::Count | Self::Sum => (1, 2),
            Self::SortBy | Self::Reduce => (2, 3),
            _ => (2, 2),
        }
    }

    /// What the predicate must give: `Some(Bool)` for tests.
    pub fn wants(self) -> Type {
        match self {
            Self::All
            | Self::None
            | Self::Any
            | Self::One
            | Self::Filter
            | Self::Count
            | Self::Find
            | Self::FindIndex
            | Self::FindLast
            | Self::FindLastIndex => Bool,
            _ => Type::Any,
        }
    }

    pub fn returns(self) -> Type {
        match self {
            Self::All | Self::None | Self::Any | Self::One => Bool,
            Self::Filter | Self::Map | Self::SortBy => List,
            Self::Count => Int,
            Self::GroupBy | Self::CountBy => Map,
            _ => Type::Any,
        }
    }
}

/// Which argument of that function is a predicate.
pub(super) fn predicate_argument(name: &str) -> Option<usize> {
    Predicate::find(name).map(|_| 1)
}

pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|builtin| builtin.name).chain(PREDICATES.iter().map(|(name, _)| *name))
}

// ---------------------------------------------------------------- reading arguments

fn text<'v>(args: &'v [Value<'_>], at: usize, operation: &'static str) -> Result<&'v str, EvalError> {
    let arg = &args[at];
    arg.as_str().ok_or(EvalError::Operand { operation, wanted: "a string", got: arg.kind() })
}

fn int(args: &[Value<'_>], at: usize, operation: &'static str) -> Result<i64, EvalError> {
    match &args[at] {
        Value::Int(value) => Ok(*value),
        Value::Float(value) => Ok(*value as i64),
        other => Err(EvalError::Operand { operation, wanted: "an int", got: other.kind() }),
    }
}

fn wrong<T>(operation: &'static str, wanted: &'static str, got: &Value<'_>) -> Result<T, EvalError> {
    Err(EvalError::Operand { operation, wanted, got: got.kind() })
}

/// The kinds of `nil`, for functions that take it.
pub(super) fn accepts(kinds: &[Type], kind: Type) -> bool {
    kinds.is_empty() || kind == Type::Any || kinds.contains(&kind) && kind != Nil
}

pub(super) use lists::{Entries, fetch, key_text, slice, sort_pairs};
pub(super) use strings::slice_range as slice_text;
pub(super) use time::{call_method, methods};
