//! Running predicates over the elements of a list.

use super::ast::Binary;
use super::builtins::{Entries, Predicate, key_text, sort_pairs};
use super::code::Each;
use super::error::EvalError;
use super::eval::{Frame, Result, Scope, not_bool};
use super::value::{List, Text, Value};

impl<'a> Frame<'a> {
    /// Runs the body of a predicate for one element.
    fn body(
        &mut self,
        each: &'a Each,
        item: Value<'a>,
        index: usize,
        accumulator: Value<'a>,
    ) -> Result<Value<'a>> {
        let Some(body) = &each.body else { return Ok(item) };
        self.scopes.push(Scope { item, index, accumulator });
        let result = self.eval(body);
        self.scopes.pop();
        result
    }

    fn passes(&mut self, each: &'a Each, item: Value<'a>, index: usize) -> Result<bool> {
        match self.body(each, item, index, Value::Nil)? {
            Value::Bool(value) => Ok(value),
            // Without a predicate only what is true counts.
            _ if each.body.is_none() => Ok(false),
            other => Err(not_bool("a predicate", &other)),
        }
    }

    /// The first element that passes, from the front or the back.
    fn find(&mut self, each: &'a Each, list: &List<'a>, back: bool) -> Result<Option<(usize, Value<'a>)>> {
        for n in 0..list.len() {
            self.budget.spend(1)?;
            let index = if back { list.len() - 1 - n } else { n };
            let Some(item) = list.get(index) else { break };
            if self.passes(each, item.clone(), index)? {
                return Ok(Some((index, item)));
            }
        }
        Ok(None)
    }

    pub(super) fn each(&mut self, each: &'a Each) -> Result<Value<'a>> {
        let list = match self.eval(&each.list)? {
            Value::List(list) => list,
            other => {
                return Err(EvalError::Operand {
                    operation: each.predicate.name(),
                    wanted: "an array",
                    got: other.kind(),
                });
            }
        };
        match each.predicate {
            Predicate::Any => Ok(Value::Bool(self.find(each, &list, false)?.is_some())),
            Predicate::None => Ok(Value::Bool(self.find(each, &list, false)?.is_none())),
            Predicate::Find => Ok(self.find(each, &list, false)?.map_or(Value::Nil, |(_, item)| item)),
            Predicate::FindLast => Ok(self.find(each, &list, true)?.map_or(Value::Nil, |(_, item)| item)),
            Predicate::FindIndex => {
                Ok(Value::Int(self.find(each, &list, false)?.map_or(-1, |(at, _)| at as i64)))
            }
            Predicate::FindLastIndex => {
                Ok(Value::Int(self.find(each, &list, true)?.map_or(-1, |(at, _)| at as i64)))
            }
            Predicate::Reduce => self.reduce(each, &list),
            _ => self.fold(each, &list),
        }
    }

    /// The predicates that visit every element.
    fn fold(&mut self, each: &'a Each, list: &List<'a>) -> Result<Value<'a>> {
        let mut count = 0;
        let mut kept = Vec::new();
        let mut groups = Entries::default();
        let mut pairs = Vec::new();
        let mut sum = Value::Int(0);
        for (index, item) in list.iter().enumerate() {
            self.budget.spend(1)?;
            match each.predicate {
                Predicate::All => {
                    if !self.passes(each, item, index)? {
                        return Ok(Value::Bool(false));
                    }
                }
                Predicate::One | Predicate::Count => count += i64::from(self.passes(each, item, index)?),
                Predicate::Filter => {
                    if self.passes(each, item.clone(), index)? {
                        self.budget.spend(size_of::<Value>())?;
                        kept.push(item);
                    }
                }
                Predicate::Map => {
                    self.budget.spend(size_of::<Value>())?;
                    kept.push(self.body(each, item, index, Value::Nil)?);
                }
                Predicate::Sum => {
                    let value = self.body(each, item, index, Value::Nil)?;
                    sum = self.arithmetic(Binary::Add, &sum, &value)?;
                }
                Predicate::GroupBy | Predicate::CountBy => {
                    let key = key_text(&self.body(each, item.clone(), index, Value::Nil)?);
                    let grows = each.predicate == Predicate::GroupBy;
                    self.group(&mut groups, key, item, grows)?;
                }
                _ => {
                    self.budget.spend(2 * size_of::<Value>())?;
                    pairs.push((self.body(each, item.clone(), index, Value::Nil)?, item));
                }
            }
        }
        Ok(match each.predicate {
            Predicate::All => Value::Bool(true),
            Predicate::One => Value::Bool(count == 1),
            Predicate::Count => Value::Int(count),
            Predicate::Filter | Predicate::Map => Value::list(kept),
            Predicate::Sum => sum,
            Predicate::GroupBy | Predicate::CountBy => groups.into_value(),
            _ => {
                let order = each.extra.as_ref().map(|order| self.eval(order)).transpose()?;
                sort_pairs(pairs, order.as_ref(), each.predicate.name())?
            }
        })
    }

    /// Adds an element to its group, or counts it.
    fn group(&mut self, groups: &mut Entries<'a>, key: Text<'a>, item: Value<'a>, grows: bool) -> Result<()> {
        let slot = groups.slot(key.as_str(), &mut self.budget)?;
        match (slot, grows) {
            (Some(Value::Int(count)), false) => *count += 1,
            (Some(slot), true) => {
                let Value::List(list) = &*slot else { return Ok(()) };
                self.budget.spend((list.len() + 1) * size_of::<Value>())?;
                let items = list.iter().chain([item]).collect();
                *slot = Value::list(items);
            }
            (_, true) => groups.set(key, Value::list(vec![item]), &mut self.budget)?,
            (_, false) => groups.set(key, Value::Int(1), &mut self.budget)?,
        }
        Ok(())
    }

    fn reduce(&mut self, each: &'a Each, list: &List<'a>) -> Result<Value<'a>> {
        let mut items = list.iter().enumerate();
        let mut accumulator = match &each.extra {
            Some(start) => self.eval(start)?,
            None => match items.next() {
                Some((_, first)) => first,
                None => return Err(EvalError::Other("reduce of an empty array needs a start value")),
            },
        };
        for (index, item) in items {
            self.budget.spend(1)?;
            accumulator = self.body(each, item, index, accumulator)?;
        }
        Ok(accumulator)
    }
}
