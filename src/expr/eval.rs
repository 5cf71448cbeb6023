//! Running code over a record.

use jiff::SignedDuration;

use super::Tested;
use super::ast::{Binary, Pointer};
use super::builtins::Entries;
use super::builtins::{Budget, Builtin, call_method, fetch, key_text, slice, slice_text};
use super::code::{Code, Order, Root, StepCode, Test};
use super::environment::Environment;
use super::error::EvalError;
use super::types::Type;
use super::value::{List, Map, Value};
use crate::otlp::attributes::find;
use crate::otlp::{AnyValue, Str};

/// Elements visited and bytes produced for one record. Far above any sensible use, about a second
/// of work at worst.
const MAX_WORK: u64 = 64 << 20;
/// Longest range: it may become a list.
const MAX_RANGE: i64 = 1_000_000;
/// Most arguments that need no allocation.
const FEW: usize = 4;

pub(super) type Result<T> = std::result::Result<T, EvalError>;

/// The state of one evaluation. Making one costs nothing.
pub(super) struct Frame<'a> {
    environment: &'a dyn Environment,
    variables: Vec<Value<'a>>,
    pub(super) scopes: Vec<Scope<'a>>,
    pub(super) budget: Budget,
}

/// Where a predicate is.
pub(super) struct Scope<'a> {
    pub item: Value<'a>,
    pub index: usize,
    pub accumulator: Value<'a>,
}

pub(super) fn not_bool(operation: &'static str, value: &Value) -> EvalError {
    EvalError::Operand { operation, wanted: "a bool", got: value.kind() }
}

impl<'a> Frame<'a> {
    pub fn new(environment: &'a dyn Environment) -> Self {
        Self { environment, variables: Vec::new(), scopes: Vec::new(), budget: Budget::new(MAX_WORK) }
    }

    /// The value of a condition.
    pub fn test(&mut self, code: &'a Code, operation: &'static str) -> Result<bool> {
        match code {
            Code::IsNil(code, negated) => Ok(self.is_nil(code)? != *negated),
            Code::Present(root, keys, upto) => {
                Ok(is_present(self.environment, *root, keys, *upto)? == Tested::Holds)
            }
            Code::And(parts) => {
                for part in parts {
                    if !self.test(part, "\"and\"")? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Code::Or(parts) => {
                for part in parts {
                    if self.test(part, "\"or\"")? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Code::Not(code) => Ok(!self.test(code, "\"not\"")?),
            Code::Equal(both, negated) => {
                let (left, right) = (self.eval(&both.0)?, self.eval(&both.1)?);
                Ok((left == right) != *negated)
            }
            Code::Matches(code, regex) => match self.eval(code)? {
                Value::Text(text) => Ok(regex.is_match(text.as_str())),
                Value::Nil => Ok(false),
                Value::Bytes(bytes) => Ok(regex.is_match(&String::from_utf8_lossy(bytes))),
                other => Err(EvalError::Operand {
                    operation: "\"matches\"",
                    wanted: "a string",
                    got: other.kind(),
                }),
            },
            code => match self.eval(code)? {
                Value::Bool(value) => Ok(value),
                other => Err(not_bool(operation, &other)),
            },
        }
    }

    pub fn eval(&mut self, code: &'a Code) -> Result<Value<'a>> {
        Ok(match code {
            Code::Constant(constant) => constant.value(),
            Code::Root(root) => self.root(*root),
            Code::Path(root, keys) => {
                value_at(self.environment, *root, keys)?.map_or(Value::Nil, Value::from)
            }
            Code::Variable(slot) => self.variables[*slot].clone(),
            Code::Pointer(pointer) => self.pointer(*pointer),
            Code::List(items) => {
                self.budget.spend(items.len() * size_of::<Value>())?;
                let items = items.iter().map(|item| self.eval(item)).collect::<Result<Vec<_>>>()?;
                Value::list(items)
            }
            Code::Map(pairs) => {
                let mut entries = Entries::default();
                for (key, value) in pairs {
                    let key = key_text(&self.eval(key)?);
                    let value = self.eval(value)?;
                    entries.set(key, value, &mut self.budget)?;
                }
                entries.into_value()
            }
            Code::IsNil(..)
            | Code::Present(..)
            | Code::And(_)
            | Code::Or(_)
            | Code::Not(_)
            | Code::Equal(..)
            | Code::Matches(..) => Value::Bool(self.test(code, "a condition")?),
            Code::Minus(code) => match self.eval(code)? {
                Value::Int(value) => Value::Int(value.wrapping_neg()),
                Value::Float(value) => Value::Float(-value),
                other => {
                    return Err(EvalError::Operand {
                        operation: "\"-\"",
                        wanted: "a number",
                        got: other.kind(),
                    });
                }
            },
            Code::Plus(code) => match self.eval(code)? {
                value @ (Value::Int(_) | Value::Float(_)) => value,
                other => {
                    return Err(EvalError::Operand {
                        operation: "\"+\"",
                        wanted: "a number",
                        got: other.kind(),
                    });
                }
            },
            Code::Order(order, both) => {
                let (left, right) = (self.eval(&both.0)?, self.eval(&both.1)?);
                Value::Bool(holds(*order, &left, &right)?)
            }
            Code::Orders(first, links) => {
                let mut left = self.eval(first)?;
                for (order, right) in links {
                    let right = self.eval(right)?;
                    if !holds(*order, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Value::Bool(true)
            }
            Code::In(both) => {
                let (needle, stack) = (self.eval(&both.0)?, self.eval(&both.1)?);
                Value::Bool(self.contains(&needle, &stack)?)
            }
            Code::MatchesDynamic(both) => {
                let (text, pattern) = (self.eval(&both.0)?, self.eval(&both.1)?);
                Value::Bool(self.matches_dynamic(&text, &pattern)?)
            }
            Code::Test(test, both) => {
                let (left, right) = (self.eval(&both.0)?, self.eval(&both.1)?);
                Value::Bool(self.text_test(*test, &left, &right)?)
            }
            Code::Range(both) => {
                let (from, to) = (self.eval(&both.0)?, self.eval(&both.1)?);
                range(&from, &to)?
            }
            Code::Coalesce(both) => match self.eval(&both.0)? {
                Value::Nil => self.eval(&both.1)?,
                value => value,
            },
            Code::Arithmetic(op, both) => {
                let (left, right) = (self.eval(&both.0)?, self.eval(&both.1)?);
                self.arithmetic(*op, &left, &right)?
            }
            Code::Conditional(all) => {
                let branch = if self.test(&all.0, "a condition")? { &all.1 } else { &all.2 };
                self.eval(branch)?
            }
            Code::Access(base, steps) => self.access(base, steps)?,
            Code::Call(builtin, args) => self.call(builtin, args)?,
            Code::Each(each) => self.each(each)?,
            Code::Let(both) => {
                let value = self.eval(&both.0)?;
                self.variables.push(value);
                let result = self.eval(&both.1);
                self.variables.pop();
                result?
            }
            Code::Sequence(parts) => {
                let mut value = Value::Nil;
                for part in parts {
                    value = self.eval(part)?;
                }
                value
            }
        })
    }

    fn root(&self, root: Root) -> Value<'a> {
        let record = self.environment;
        let time = |nanos| Value::Time(super::clock::Moment::from_nanos(nanos));
        match root {
            Root::Body => Value::from(record.body()),
            Root::Attributes => Value::from(record.attributes()),
            Root::Resource => Value::from(record.resource()),
            Root::Timestamp => time(record.timestamp()),
            Root::ObservedTimestamp => time(record.observed_timestamp()),
            Root::SeverityText => Value::from(record.severity_text()),
            Root::SeverityNumber => Value::Int(record.severity_number().into()),
            Root::TraceId => hex(record.trace_id()).into(),
            Root::SpanId => hex(record.span_id()).into(),
            Root::ScopeName => Value::from(record.scope_name()),
        }
    }

    fn pointer(&self, pointer: Pointer) -> Value<'a> {
        match (pointer, self.scopes.last()) {
            (Pointer::Item, Some(scope)) => scope.item.clone(),
            (Pointer::Index, Some(scope)) => Value::Int(scope.index as i64),
            (Pointer::Accumulator, Some(scope)) => scope.accumulator.clone(),
            (_, None) => Value::Nil,
        }
    }

    fn is_nil(&mut self, code: &'a Code) -> Result<bool> {
        match code {
            Code::Path(root, keys) => is_nothing_at(self.environment, *root, keys),
            code => Ok(self.eval(code)?.is_nil()),
        }
    }

    fn access(&mut self, base: &'a Code, steps: &'a [(StepCode, bool)]) -> Result<Value<'a>> {
        let mut value = self.eval(base)?;
        for (step, optional) in steps {
            if *optional && value.is_nil() {
                return Ok(Value::Nil);
            }
            value = match step {
                StepCode::Field(name) => match &value {
                    Value::Map(map) => map.get(name).unwrap_or(Value::Nil),
                    other => return Err(EvalError::Fetch { key: name.clone(), from: other.kind() }),
                },
                StepCode::Index(index) => fetch(&value, &self.eval(index)?)?,
                StepCode::Slice(from, to) => self.slice(&value, from.as_ref(), to.as_ref())?,
                StepCode::Method(name, args) => {
                    let args = args.iter().map(|arg| self.eval(arg)).collect::<Result<Vec<_>>>()?;
                    call_method(&value, name, &args)?
                }
            };
        }
        Ok(value)
    }

    fn slice(
        &mut self,
        value: &Value<'a>,
        from: Option<&'a Code>,
        to: Option<&'a Code>,
    ) -> Result<Value<'a>> {
        let mut bound = |code: Option<&'a Code>| match code.map(|code| self.eval(code)).transpose()? {
            None => Ok(None),
            Some(Value::Int(value)) => Ok(Some(value)),
            Some(Value::Float(value)) => Ok(Some(value as i64)),
            Some(other) => {
                Err(EvalError::Operand { operation: "a slice", wanted: "an int", got: other.kind() })
            }
        };
        let (from, to) = (bound(from)?.unwrap_or(0), bound(to)?);
        match value {
            Value::Text(text) => Ok(Value::Text(text.slice(slice_text(text, from, to)))),
            Value::List(list) => slice(list, from, to, &mut self.budget),
            other => Err(EvalError::Operand {
                operation: "a slice",
                wanted: "a string or an array",
                got: other.kind(),
            }),
        }
    }

    fn call(&mut self, builtin: &'static Builtin, args: &'a [Code]) -> Result<Value<'a>> {
        if args.len() > FEW {
            let values = args.iter().map(|arg| self.eval(arg)).collect::<Result<Vec<_>>>()?;
            return (builtin.call)(&values, &mut self.budget);
        }
        let mut values = [const { Value::Nil }; FEW];
        for (slot, arg) in values.iter_mut().zip(args) {
            *slot = self.eval(arg)?;
        }
        (builtin.call)(&values[..args.len()], &mut self.budget)
    }

    fn contains(&mut self, needle: &Value<'a>, stack: &Value<'a>) -> Result<bool> {
        match stack {
            Value::Nil => Ok(false),
            Value::List(List::Range(from, to)) => match needle.as_float() {
                Some(value) => Ok(value.fract() == 0.0 && value >= *from as f64 && value <= *to as f64),
                None => Ok(false),
            },
            Value::List(list) => {
                self.budget.spend(list.len())?;
                Ok(list.iter().any(|item| item == *needle))
            }
            Value::Map(map) => match needle {
                Value::Text(key) => Ok(map.get(key.as_str()).is_some()),
                Value::Nil => Ok(false),
                other if matches!(map, Map::Computed(_)) => Ok(map.get(key_text(other).as_str()).is_some()),
                _ => Ok(false),
            },
            other => Err(EvalError::Operand {
                operation: "\"in\"",
                wanted: "an array or a map",
                got: other.kind(),
            }),
        }
    }

    fn matches_dynamic(&mut self, text: &Value, pattern: &Value) -> Result<bool> {
        let (Some(text), Some(pattern)) = (text.as_str(), pattern.as_str()) else {
            if text.is_nil() || pattern.is_nil() {
                return Ok(false);
            }
            let got = if text.as_str().is_some() { pattern.kind() } else { text.kind() };
            return Err(EvalError::Operand { operation: "\"matches\"", wanted: "strings", got });
        };
        // Compiling is the dear part.
        self.budget.spend(4096 + 64 * pattern.len() + text.len())?;
        match crate::pattern::compile(pattern) {
            Ok(regex) => Ok(regex.is_match(text)),
            Err(_) => Err(EvalError::BadText {
                operation: "\"matches\"",
                text: pattern[..pattern.floor_char_boundary(64)].into(),
                reason: "it is not a regular expression".into(),
            }),
        }
    }

    fn text_test(&mut self, test: Test, left: &Value, right: &Value) -> Result<bool> {
        let operation = match test {
            Test::Contains => "\"contains\"",
            Test::StartsWith => "\"startsWith\"",
            Test::EndsWith => "\"endsWith\"",
        };
        match (left, right) {
            (Value::Text(text), Value::Text(part)) => {
                let (text, part) = (text.as_str(), part.as_str());
                if !self.scopes.is_empty() {
                    self.budget.spend(text.len() / 16)?;
                }
                Ok(match test {
                    Test::Contains => memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some(),
                    Test::StartsWith => text.starts_with(part),
                    Test::EndsWith => text.ends_with(part),
                })
            }
            (Value::Nil, _) | (_, Value::Nil) => Ok(false),
            _ => Err(EvalError::Mismatch { operation, left: left.kind(), right: right.kind() }),
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        op: Binary,
        left: &Value<'a>,
        right: &Value<'a>,
    ) -> Result<Value<'a>> {
        use Value::{Duration, Float, Int, Time};
        const OUT_OF_RANGE: EvalError = EvalError::Other("the time is out of range");
        let mismatch =
            || EvalError::Mismatch { operation: op.symbol(), left: left.kind(), right: right.kind() };
        let seconds = |nanos: f64| SignedDuration::from_nanos(nanos as i64);
        Ok(match (op, left, right) {
            (Binary::Add, Int(a), Int(b)) => Int(a.wrapping_add(*b)),
            (Binary::Subtract, Int(a), Int(b)) => Int(a.wrapping_sub(*b)),
            (Binary::Multiply, Int(a), Int(b)) => Int(a.wrapping_mul(*b)),
            (Binary::Modulo, Int(_), Int(0)) => return Err(EvalError::DivisionByZero),
            (Binary::Modulo, Int(a), Int(b)) => Int(a.wrapping_rem(*b)),
            (Binary::Modulo, ..) => return Err(mismatch()),
            (Binary::Add, Value::Text(a), Value::Text(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                self.budget.spend(a.len() + b.len())?;
                [a, b].concat().into()
            }
            (Binary::Add, Time(time), Duration(d)) | (Binary::Add, Duration(d), Time(time)) => {
                Time(time.add(*d).ok_or(OUT_OF_RANGE)?)
            }
            (Binary::Subtract, Time(time), Duration(d)) => {
                Time(d.checked_neg().and_then(|d| time.add(d)).ok_or(OUT_OF_RANGE)?)
            }
            (Binary::Subtract, Time(a), Time(b)) => Duration(a.since(*b)),
            (Binary::Add, Duration(a), Duration(b)) => Duration(a.checked_add(*b).ok_or(OUT_OF_RANGE)?),
            (Binary::Subtract, Duration(a), Duration(b)) => Duration(a.checked_sub(*b).ok_or(OUT_OF_RANGE)?),
            (Binary::Multiply, Duration(d), number) | (Binary::Multiply, number, Duration(d)) => {
                let factor = number.as_float().ok_or_else(mismatch)?;
                Duration(seconds(d.as_nanos() as f64 * factor))
            }
            _ => {
                let (a, b) = (left.as_float().ok_or_else(mismatch)?, right.as_float().ok_or_else(mismatch)?);
                Float(match op {
                    Binary::Add => a + b,
                    Binary::Subtract => a - b,
                    Binary::Multiply => a * b,
                    Binary::Divide => a / b,
                    Binary::Power => a.powf(b),
                    _ => return Err(mismatch()),
                })
            }
        })
    }
}

/// The value of a condition, and whether it was its guard that decided ([`Code::guard`]). What only
/// looks whether something is there needs no frame.
#[inline]
pub(super) fn test_guarded<E: Environment>(record: &E, code: &Code) -> Result<Tested> {
    let parts = if let Code::And(parts) = code { parts } else { std::slice::from_ref(code) };
    let Some((first, others)) = parts.split_first() else { return Ok(Tested::Holds) };
    let tested = match first {
        Code::Present(root, keys, upto) => is_present(record, *root, keys, *upto)?,
        first if test(record, first, "a condition")? => Tested::Holds,
        first if first.guard().is_some() => Tested::FailsAtOnce,
        _ => Tested::Fails,
    };
    if tested == Tested::Holds {
        for part in others {
            if !test(record, part, "\"and\"")? {
                return Ok(Tested::Fails);
            }
        }
    }
    Ok(tested)
}

/// The value of a condition. What most of them are needs no frame.
#[inline]
pub(super) fn test<E: Environment>(record: &E, code: &Code, operation: &'static str) -> Result<bool> {
    if let Code::IsNil(of, negated) = code
        && let Code::Path(root, keys) = &**of
    {
        return Ok(is_nothing_at(record, *root, keys)? != *negated);
    }
    if let Code::Matches(of, regex) = code
        && let Some(text) = text_at(record, of)
    {
        return Ok(regex.is_match(text));
    }
    Frame::new(record).test(code, operation)
}

/// The text at a path, if one is there.
fn text_at<'a, E: Environment>(record: &'a E, code: &Code) -> Option<&'a str> {
    match code {
        Code::Root(Root::Body) => record.body().as_str(),
        Code::Path(root, keys) => value_at(record, *root, keys).ok()??.as_str(),
        _ => None,
    }
}

/// The value at the end of a path, `None` when the last key is missing.
#[inline]
fn value_at<'a, E: Environment + ?Sized>(
    record: &'a E,
    root: Root,
    keys: &[Str],
) -> Result<Option<&'a AnyValue>> {
    let (value, keys) = match (root, keys.split_first()) {
        (Root::Attributes, Some((first, rest))) => (record.attribute(first), rest),
        (Root::Resource, Some((first, rest))) => (find(record.resource(), first), rest),
        _ => (Some(record.body()), keys),
    };
    value_below(value, keys)
}

fn value_below<'a>(mut value: Option<&'a AnyValue>, keys: &[Str]) -> Result<Option<&'a AnyValue>> {
    for key in keys {
        value = match value {
            Some(AnyValue::Map(entries)) => find(entries, key),
            other => {
                let from = other.map_or(Type::Nil, |value| Value::from(value).kind());
                return Err(EvalError::Fetch { key: key.clone(), from });
            }
        };
    }
    Ok(value)
}

#[inline]
fn is_nothing_at<E: Environment + ?Sized>(record: &E, root: Root, keys: &[Str]) -> Result<bool> {
    Ok(value_at(record, root, keys)?.is_none_or(AnyValue::is_empty))
}

/// Whether something is at the path: [`Code::Present`].
#[inline]
fn is_present<E: Environment + ?Sized>(record: &E, root: Root, keys: &[Str], upto: usize) -> Result<Tested> {
    let guard = value_at(record, root, &keys[..upto])?;
    if guard.is_none_or(AnyValue::is_empty) {
        return Ok(Tested::FailsAtOnce);
    }
    let found = value_below(guard, &keys[upto..])?;
    Ok(if found.is_none_or(AnyValue::is_empty) { Tested::Fails } else { Tested::Holds })
}

fn holds(order: Order, left: &Value, right: &Value) -> Result<bool> {
    match left.order(right) {
        Some(found) => Ok(order.holds(found)),
        // NaN is in no order with anything.
        None if left.as_float().is_some() && right.as_float().is_some() => Ok(false),
        None => {
            Err(EvalError::Mismatch { operation: order.symbol(), left: left.kind(), right: right.kind() })
        }
    }
}

fn range<'a>(from: &Value, to: &Value) -> Result<Value<'a>> {
    let bound = |value: &Value| match value {
        Value::Int(value) => Ok(*value),
        Value::Float(value) => Ok(*value as i64),
        other => Err(EvalError::Operand { operation: "\"..\"", wanted: "ints", got: other.kind() }),
    };
    let (from, to) = (bound(from)?, bound(to)?);
    match to.checked_sub(from) {
        Some(len) if len >= MAX_RANGE => Err(EvalError::Budget),
        None if to > from => Err(EvalError::Budget),
        _ if to < from => Ok(Value::List(List::Range(1, 0))),
        _ => Ok(Value::List(List::Range(from, to))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
