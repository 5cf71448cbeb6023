//! Comparison of values: different kinds are unequal and nothing else, it never fails.

use std::cmp::Ordering;

use super::ast::CompareOp;
use super::value::{Peek, Value};
use crate::otlp::{AnyValue, Attributes};

/// Whether `left op right` holds.
pub fn compare(op: CompareOp, left: &Value<'_>, right: &Value<'_>) -> bool {
    match ordering(left, right) {
        Order::Ordered(order) => match op {
            CompareOp::Eq => order == Ordering::Equal,
            CompareOp::Ne => order != Ordering::Equal,
            CompareOp::Lt => order == Ordering::Less,
            CompareOp::Le => order != Ordering::Greater,
            CompareOp::Gt => order == Ordering::Greater,
            CompareOp::Ge => order != Ordering::Less,
        },
        Order::EqualOnly(equal) => match op {
            CompareOp::Eq => equal,
            CompareOp::Ne => !equal,
            _ => false,
        },
    }
}

/// The same for the commonest pairs of values that lie in the telemetry; nothing for the others.
#[inline]
pub fn compare_peeks(op: CompareOp, left: Peek<'_>, right: Peek<'_>) -> Option<bool> {
    let equal = match (left, right) {
        (Peek::Text(left), Peek::Text(right)) => left == right,
        (Peek::Int(left), Peek::Int(right)) => left == right,
        (Peek::Nil, Peek::Nil) => true,
        (Peek::Text(_) | Peek::Int(_) | Peek::Map(_) | Peek::List(_), Peek::Nil)
        | (Peek::Nil, Peek::Text(_) | Peek::Int(_) | Peek::Map(_) | Peek::List(_)) => false,
        _ => return None,
    };
    match op {
        CompareOp::Eq => Some(equal),
        CompareOp::Ne => Some(!equal),
        _ => None,
    }
}

enum Order {
    Ordered(Ordering),
    /// Only `==` and `!=` make sense.
    EqualOnly(bool),
}

fn ordering(left: &Value<'_>, right: &Value<'_>) -> Order {
    let double = |left: f64, right: f64| match left.partial_cmp(&right) {
        Some(order) => Order::Ordered(order),
        None => Order::EqualOnly(false),
    };
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Order::Ordered((**left).cmp(&**right)),
        (Value::Int(left), Value::Int(right)) => Order::Ordered(left.cmp(right)),
        (left, right) if left.is_nil() && right.is_nil() => Order::Ordered(Ordering::Equal),
        (Value::Double(left), Value::Double(right)) => double(*left, *right),
        (Value::Int(left), Value::Double(right)) => double(*left as f64, *right),
        (Value::Double(left), Value::Int(right)) => double(*left, *right as f64),
        (Value::Bool(left), Value::Bool(right)) => Order::Ordered(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Order::Ordered(left.cmp(right)),
        // An id is compared with a byte literal as if it were one.
        (Value::Id(left), Value::Bytes(right)) => Order::Ordered(left.as_bytes().cmp(&**right)),
        (Value::Bytes(left), Value::Id(right)) => Order::Ordered((**left).cmp(right.as_bytes())),
        (Value::Id(left), Value::Id(right)) => Order::EqualOnly(left == right),
        (Value::Time(left), Value::Time(right)) => Order::Ordered(left.nanos.cmp(&right.nanos)),
        (Value::Duration(left), Value::Duration(right)) => Order::Ordered(left.cmp(right)),
        (Value::Map(left), Value::Map(right)) => Order::EqualOnly(
            left.len() == right.len()
                && left.iter().all(|entry| {
                    right.iter().any(|other| other.key == entry.key && equal(&entry.value, &other.value))
                }),
        ),
        (Value::List(left), Value::List(right)) => Order::EqualOnly(
            left.len() == right.len() && left.iter().zip(right.iter()).all(|(l, r)| equal(l, r)),
        ),
        _ => Order::EqualOnly(false),
    }
}

/// Deep equality of stored values: kinds must agree, the order of map keys does not matter.
pub fn equal(left: &AnyValue, right: &AnyValue) -> bool {
    match (left, right) {
        (AnyValue::Map(left), AnyValue::Map(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|entry| right.get(&entry.key).is_some_and(|other| equal(&entry.value, other)))
        }
        (AnyValue::Array(left), AnyValue::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::KeyValue;
    use crate::ottl::time::Time;
    use crate::ottl::value::Id;
    use CompareOp::{Eq, Ge, Gt, Le, Lt, Ne};

    fn holding(left: &Value<'_>, right: &Value<'_>) -> Vec<CompareOp> {
        [Eq, Ne, Lt, Le, Gt, Ge].into_iter().filter(|op| compare(*op, left, right)).collect()
    }

    #[test]
    fn comparison_follows_the_table_of_the_language() {
        let text = Value::from("a");
        let (equal, less, unequal) = (vec![Eq, Le, Ge], vec![Ne, Lt, Le], vec![Ne]);
        let map = |entries: Vec<KeyValue>| Value::from(entries);
        let (one, two) = (KeyValue::fixed("a", 1), KeyValue::fixed("b", 2));
        let empty = Value::Bytes(vec![].into());
        for (left, right, want) in [
            (Value::Nil, Value::Nil, equal.clone()),
            (Value::Nil, empty.clone(), equal.clone()),
            (Value::Nil, text.clone(), unequal.clone()),
            (Value::Int(0), Value::Nil, unequal.clone()),
            (Value::Int(1), Value::Double(1.0), equal.clone()),
            (Value::Int(1), Value::Double(1.5), less.clone()),
            (Value::Double(f64::NAN), Value::Double(f64::NAN), unequal.clone()),
            (Value::Bool(false), Value::Bool(true), less.clone()),
            (text.clone(), Value::from("b"), less.clone()),
            (text, Value::Int(1), unequal.clone()),
            (Value::from("1"), Value::Int(1), unequal.clone()),
            (Value::Bytes(vec![1].into()), Value::Bytes(vec![1, 0].into()), less.clone()),
            (Value::Time(Time::utc(1)), Value::Time(Time { nanos: 2, offset: 60 }), less),
            (Value::Id(Id::new(&[1], 8)), Value::Id(Id::new(&[1], 8)), vec![Eq]),
            (Value::Id(Id::new(&[], 8)), Value::Bytes(vec![0; 8].into()), equal),
            (map(vec![one.clone(), two.clone()]), map(vec![two.clone(), one.clone()]), vec![Eq]),
            (map(vec![one]), map(vec![two]), unequal.clone()),
            (Value::from(vec![AnyValue::Int(1)]), Value::from(vec![AnyValue::Int(1)]), vec![Eq]),
            (Value::from(vec![AnyValue::Int(1)]), Value::Nil, unequal),
        ] {
            assert_eq!(holding(&left, &right), want, "{left:?} {right:?}");
        }
    }
}
