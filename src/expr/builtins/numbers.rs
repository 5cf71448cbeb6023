//! Functions over numbers.

use std::cmp::Ordering;

use super::super::error::EvalError;
use super::super::value::Value;
use super::{Budget, int, wrong};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// Visits every number of the arguments, looking into lists.
fn each_number<'a>(
    args: &[Value<'a>],
    operation: &'static str,
    budget: &mut Budget,
    depth: usize,
    visit: &mut impl FnMut(Value<'a>, f64),
) -> std::result::Result<(), EvalError> {
    if depth > super::lists::MAX_NESTING {
        return Err(EvalError::Budget);
    }
    for arg in args {
        budget.spend(1)?;
        match arg {
            Value::List(list) => {
                for item in list.iter() {
                    each_number(&[item], operation, budget, depth + 1, visit)?;
                }
            }
            number => match number.as_float() {
                Some(value) => visit(number.clone(), value),
                None => return wrong(operation, "numbers", number),
            },
        }
    }
    Ok(())
}

fn extreme<'a>(args: &[Value<'a>], budget: &mut Budget, name: &'static str, wanted: Ordering) -> Result<'a> {
    let mut best = Value::Nil;
    each_number(args, name, budget, 0, &mut |number, _| {
        if best.is_nil() || number.order(&best) == Some(wanted) {
            best = number;
        }
    })?;
    Ok(best)
}

pub fn max<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    extreme(args, budget, "max", Ordering::Greater)
}

pub fn min<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    extreme(args, budget, "min", Ordering::Less)
}

pub fn mean<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (mut count, mut sum) = (0_u32, 0.0);
    each_number(args, "mean", budget, 0, &mut |_, value| {
        count += 1;
        sum += value;
    })?;
    Ok(Value::Float(if count == 0 { 0.0 } else { sum / f64::from(count) }))
}

pub fn median<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut all = Vec::new();
    each_number(args, "median", budget, 0, &mut |_, value| all.push(value))?;
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    Ok(Value::Float(match all.len() {
        0 => 0.0,
        len if len % 2 == 1 => all[middle],
        _ => f64::midpoint(all[middle - 1], all[middle]),
    }))
}

pub fn abs<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match &args[0] {
        Value::Int(value) => Ok(Value::Int(value.wrapping_abs())),
        Value::Float(value) => Ok(Value::Float(value.abs())),
        other => wrong("abs", "a number", other),
    }
}

fn rounded<'a>(args: &[Value<'a>], name: &'static str, round: fn(f64) -> f64) -> Result<'a> {
    match args[0].as_float() {
        Some(value) => Ok(Value::Float(round(value))),
        None => wrong(name, "a number", &args[0]),
    }
}

pub fn ceil<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    rounded(args, "ceil", f64::ceil)
}

pub fn floor<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    rounded(args, "floor", f64::floor)
}

pub fn round<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    rounded(args, "round", f64::round)
}

macro_rules! bits {
    ($($function:ident $name:literal $compute:expr;)*) => {$(
        pub fn $function<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
            let compute: fn(i64, i64) -> i64 = $compute;
            Ok(Value::Int(compute(int(args, 0, $name)?, int(args, 1, $name)?)))
        }
    )*};
}
bits! {
    bit_and "bitand" |a, b| a & b;
    bit_or "bitor" |a, b| a | b;
    bit_xor "bitxor" |a, b| a ^ b;
    bit_nand "bitnand" |a, b| a & !b;
}

pub fn bit_not<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(Value::Int(!int(args, 0, "bitnot")?))
}

fn shift<'a>(args: &[Value<'a>], name: &'static str, compute: fn(i64, u32) -> i64) -> Result<'a> {
    let (value, count) = (int(args, 0, name)?, int(args, 1, name)?);
    match u32::try_from(count) {
        Ok(count) => Ok(Value::Int(compute(value, count))),
        Err(_) if count < 0 => Err(EvalError::Other("a shift count must not be negative")),
        Err(_) => Ok(Value::Int(compute(value, u32::MAX))),
    }
}

pub fn shift_left<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    shift(args, "bitshl", |a, b| a.checked_shl(b).unwrap_or(0))
}

pub fn shift_right<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    shift(args, "bitshr", |a, b| a >> b.min(63))
}

pub fn shift_right_unsigned<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    shift(args, "bitushr", |a, b| (a as u64).checked_shr(b).unwrap_or(0) as i64)
}
