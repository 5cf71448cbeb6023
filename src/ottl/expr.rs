//! Compiled expressions and their evaluation: a compact tree whose leaves are resolved fields and
//! typed literals. Evaluation borrows from the telemetry and from the tree.

use std::borrow::Cow;

use super::EvalError;
use super::ast::{CompareOp, MathOp};
use super::compare::{compare, compare_peeks};
use super::context::View;
use super::functions::{Args, ConverterFn};
use super::path::{Key, Path};
use super::time::{Span, Time};
use super::value::{Peek, Value};
use crate::otlp::{AnyValue, KeyValue, Str};

/// An expression that gives a value.
#[derive(Debug)]
pub enum Expr {
    Literal(AnyValue),
    Path(Path),
    Call(Box<Call>),
    Math(MathOp, Box<(Expr, Expr)>),
    /// A list with parts that are not literal.
    List(Vec<Expr>),
    /// A map with parts that are not literal.
    Map(Vec<(Str, Expr)>),
}

/// A converter with its arguments.
#[derive(Debug)]
pub struct Call {
    pub function: ConverterFn,
    pub args: Args,
    pub keys: Vec<Key>,
}

/// An expression that is true or false.
#[derive(Debug)]
pub enum Condition {
    Always(bool),
    Compare(CompareOp, Expr, Expr),
    Call(Box<Call>),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Expr {
    pub fn eval<'a>(&'a self, view: &View<'a>) -> Result<Value<'a>, EvalError> {
        match self {
            Self::Literal(value) => Ok(Value::from(value)),
            Self::Path(path) => path.get(view),
            Self::Call(call) => call.eval(view),
            Self::Math(op, sides) => calculate(*op, &sides.0.eval(view)?, &sides.1.eval(view)?),
            Self::List(items) => {
                let items: Result<Vec<_>, _> =
                    items.iter().map(|item| item.eval(view).and_then(Value::into_any)).collect();
                Ok(Value::from(items?))
            }
            Self::Map(entries) => {
                let entry = |(key, value): &'a (Str, Self)| {
                    Ok(KeyValue { key: key.clone(), value: value.eval(view)?.into_any()? })
                };
                Ok(Value::from(entries.iter().map(entry).collect::<Result<Vec<_>, EvalError>>()?))
            }
        }
    }

    /// The value, if it is a literal or lies in the telemetry as it is.
    #[inline]
    pub fn peek<'a>(&'a self, view: &View<'a>) -> Result<Peek<'a>, EvalError> {
        match self {
            Self::Literal(value) => Ok(Peek::from(value)),
            Self::Path(path) => path.peek(view),
            _ => Ok(Peek::Computed),
        }
    }
}

impl Call {
    fn eval<'a>(&'a self, view: &View<'a>) -> Result<Value<'a>, EvalError> {
        let mut value = (self.function)(&self.args, view)?;
        for key in &self.keys {
            value = key.apply_strict(value, view)?;
        }
        Ok(value)
    }
}

impl Condition {
    pub fn test(&self, view: &View<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Always(answer) => Ok(*answer),
            Self::Compare(op, left, right) => test_comparison(*op, left, right, view),
            Self::Call(call) => match call.eval(view)? {
                Value::Bool(answer) => Ok(answer),
                other => other.mismatch("a converter that gives a bool"),
            },
            Self::Not(condition) => Ok(!condition.test(view)?),
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.test(view)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.test(view)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// What the resource alone decides, and the rest. What the resource decides is asked first where
    /// that makes no other error.
    pub fn split(self) -> (Option<Self>, Option<Self>) {
        let conditions = match self {
            Self::All(conditions) => conditions,
            one => vec![one],
        };
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for condition in conditions {
            let may_go_first = rest.iter().all(|before: &Self| before.compares(Path::cannot_fail));
            if may_go_first && condition.compares(|path| path.cannot_fail() && path.is_in_resource()) {
                first.push(condition);
            } else {
                rest.push(condition);
            }
        }
        (Self::all(first), Self::all(rest))
    }

    fn all(mut conditions: Vec<Self>) -> Option<Self> {
        match conditions.len() {
            0 | 1 => conditions.pop(),
            _ => Some(Self::All(conditions)),
        }
    }

    /// It compares literals and such paths.
    fn compares(&self, path: impl Fn(&Path) -> bool) -> bool {
        let may = |side: &Expr| match side {
            Expr::Literal(_) => true,
            Expr::Path(there) => path(there),
            _ => false,
        };
        matches!(self, Self::Compare(_, left, right) if may(left) && may(right))
    }
}

fn test_comparison(op: CompareOp, left: &Expr, right: &Expr, view: &View<'_>) -> Result<bool, EvalError> {
    if let Some(answer) = compare_peeks(op, left.peek(view)?, right.peek(view)?) {
        return Ok(answer);
    }
    Ok(compare(op, &left.eval(view)?, &right.eval(view)?))
}

const OVERFLOW: EvalError = EvalError::Other(Cow::Borrowed("the result of the calculation is out of range"));

fn calculate<'a>(op: MathOp, left: &Value<'_>, right: &Value<'_>) -> Result<Value<'a>, EvalError> {
    let mixed = |found: &Value<'_>, expected| found.mismatch(expected);
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(calculate_ints(op, *left, *right)?),
        (Value::Double(left), Value::Double(right)) => Value::Double(match op {
            MathOp::Add => left + right,
            MathOp::Sub => left - right,
            MathOp::Mul => left * right,
            MathOp::Div => left / right,
        }),
        (Value::Time(left), Value::Time(right)) if op == MathOp::Sub => {
            Value::Duration(Span(left.nanos.checked_sub(right.nanos).ok_or(OVERFLOW)?))
        }
        (Value::Time(time), Value::Duration(span)) if op == MathOp::Add => Value::Time(shift(*time, span.0)?),
        (Value::Duration(span), Value::Time(time)) if op == MathOp::Add => Value::Time(shift(*time, span.0)?),
        (Value::Time(time), Value::Duration(span)) if op == MathOp::Sub => {
            Value::Time(shift(*time, span.0.checked_neg().ok_or(OVERFLOW)?)?)
        }
        (Value::Duration(left), Value::Duration(right)) if op == MathOp::Add => {
            Value::Duration(Span(left.0.checked_add(right.0).ok_or(OVERFLOW)?))
        }
        (Value::Duration(left), Value::Duration(right)) if op == MathOp::Sub => {
            Value::Duration(Span(left.0.checked_sub(right.0).ok_or(OVERFLOW)?))
        }
        (Value::Int(_), other) => return mixed(other, "int, as on the left side"),
        (Value::Double(_), other) => return mixed(other, "float, as on the left side"),
        (Value::Time(_) | Value::Duration(_), other) => {
            return mixed(other, "a time or duration that can be combined so");
        }
        (other, _) => return mixed(other, "a number, a time or a duration"),
    })
}

/// Whole numbers wrap around on overflow, as they do in the collector.
fn calculate_ints(op: MathOp, left: i64, right: i64) -> Result<i64, EvalError> {
    Ok(match op {
        MathOp::Add => left.wrapping_add(right),
        MathOp::Sub => left.wrapping_sub(right),
        MathOp::Mul => left.wrapping_mul(right),
        MathOp::Div if right == 0 => return Err(EvalError::fixed("division by zero")),
        MathOp::Div => left.wrapping_div(right),
    })
}

fn shift(time: Time, nanos: i64) -> Result<Time, EvalError> {
    Ok(Time { nanos: time.nanos.checked_add(nanos).ok_or(OVERFLOW)?, ..time })
}
