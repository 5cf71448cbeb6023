//! Syntax tree to code: names resolved, types checked, constants computed, patterns compiled.

use super::ast::{Access, Binary, Expr, Kind, Pointer, Step, Unary};
use super::builtins::{self, Builtin, Predicate};
use super::code::{Code, Constant, Each, Order, Root, StepCode, Test};
use super::error::{Mistake, Span};
use super::types::Type;
use super::{point, suggest};
use crate::pattern;

/// The code of an expression, its type, and what is odd about it without being wrong.
pub(super) struct Compiled {
    pub code: Code,
    pub kind: Type,
    pub oddities: Vec<Mistake>,
}

pub(super) fn compile(expr: &Expr) -> Result<Compiled, Mistake> {
    Compiler::default().run(expr)
}

/// As [`compile`], with the names and functions about data points.
pub(super) fn compile_about_points(expr: &Expr) -> Result<Compiled, Mistake> {
    Compiler { about_points: true, ..Compiler::default() }.run(expr)
}

#[derive(Default)]
struct Compiler {
    /// Names of `let` in scope, innermost last; the place is the slot.
    variables: Vec<(String, Type)>,
    /// Predicates around this place; true where there is an accumulator.
    predicates: Vec<bool>,
    oddities: Vec<Mistake>,
    /// Whether `MetricName` and the like are known.
    about_points: bool,
}

type Typed = (Code, Type);

const COMPARABLE: &[Type] = &[Type::Int, Type::Float, Type::String, Type::Time, Type::Duration];

impl Compiler {
    fn run(mut self, expr: &Expr) -> Result<Compiled, Mistake> {
        let (code, kind) = self.expr(expr)?;
        Ok(Compiled { code, kind, oddities: self.oddities })
    }

    fn expr(&mut self, expr: &Expr) -> Result<Typed, Mistake> {
        let (code, kind) = match &expr.kind {
            Kind::Nil => (Code::Constant(Constant::nil()), Type::Nil),
            Kind::Bool(value) => (Code::Constant(Constant::from_any(*value)), Type::Bool),
            Kind::Int(value) => (Code::Constant(Constant::from_any(*value)), Type::Int),
            Kind::Float(value) => (Code::Constant(Constant::from_any(*value)), Type::Float),
            Kind::Text(text) => (Code::Constant(Constant::from_any(text.as_str())), Type::String),
            Kind::Bytes(bytes) => (Code::Constant(Constant::bytes(bytes.clone())), Type::Bytes),
            Kind::Name(name) => self.name(name, expr.span)?,
            Kind::Pointer(pointer) => (Code::Pointer(*pointer), self.pointer(*pointer, expr.span)?),
            Kind::List(items) => (Code::List(self.all(items)?), Type::List),
            Kind::Map(pairs) => {
                let mut entries = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    entries.push((self.expr(key)?.0, self.expr(value)?.0));
                }
                (Code::Map(entries.into()), Type::Map)
            }
            Kind::Unary(op, operand) => self.unary(*op, operand, expr.span)?,
            Kind::Binary(op, left, right) => self.binary(*op, left, right, expr.span)?,
            Kind::Logic(op, parts) => {
                let what = format!("\"{}\"", op.symbol());
                let parts = parts.iter().map(|part| self.bool(part, &what)).collect::<Result<Vec<_>, _>>()?;
                let code = if *op == Binary::And { Code::all(parts) } else { Code::Or(parts.into()) };
                (code, Type::Bool)
            }
            Kind::Comparisons(first, links) => self.comparisons(first, links, expr.span)?,
            Kind::Conditional(condition, yes, no) => self.conditional(condition, yes.as_deref(), no)?,
            Kind::Access(base, steps) => self.access(base, steps)?,
            Kind::Call(name, args) => self.call(name, args, expr.span)?,
            Kind::Let(name, value, body) => {
                let (value, kind) = self.expr(value)?;
                if builtins::find(name).is_some() || Predicate::find(name).is_some() {
                    return Err(Mistake::new(expr.span, format!("\"{name}\" is the name of a function")));
                }
                self.variables.push((name.clone(), kind));
                let body = self.expr(body);
                self.variables.pop();
                let (body, kind) = body?;
                (Code::Let(Box::new((value, body))), kind)
            }
            Kind::Sequence(parts) => {
                let mut kind = Type::Nil;
                let mut codes = Vec::with_capacity(parts.len());
                for part in parts {
                    let (code, of_part) = self.expr(part)?;
                    codes.push(code);
                    kind = of_part;
                }
                (Code::Sequence(codes.into()), kind)
            }
        };
        match code.fold() {
            Ok((code, folded)) => Ok((code, folded.unwrap_or(kind))),
            Err(error) => Err(Mistake::new(expr.span, format!("this always fails: {error}"))),
        }
    }

    fn all(&mut self, items: &[Expr]) -> Result<Box<[Code]>, Mistake> {
        items.iter().map(|item| Ok(self.expr(item)?.0)).collect()
    }

    fn name(&mut self, name: &str, span: Span) -> Result<Typed, Mistake> {
        if let Some(slot) = self.variables.iter().rposition(|(known, _)| known == name) {
            return Ok((Code::Variable(slot), self.variables[slot].1));
        }
        if let Some(root) = Root::find(name) {
            return Ok((Code::Root(root), root.kind()));
        }
        if self.about_points && name == point::METRIC_NAME {
            return Ok((Code::Root(Root::Body), Type::String));
        }
        if builtins::find(name).is_some() || Predicate::find(name).is_some() {
            return Err(Mistake::new(span, format!("\"{name}\" is a function: call it with (…)")));
        }
        let known =
            Root::NAMES.iter().map(|(name, _)| *name).chain(self.variables.iter().map(|(name, _)| &**name));
        let hint = suggest::hint(name, known);
        let message = format!("unknown name \"{name}\" is always nil{hint}");
        self.oddities.push(Mistake::new(span, message));
        Ok((Code::Constant(Constant::nil()), Type::Any))
    }

    fn pointer(&self, pointer: Pointer, span: Span) -> Result<Type, Mistake> {
        match (pointer, self.predicates.last()) {
            (_, None) => Err(Mistake::new(span, "\"#\" is known inside a predicate only")),
            (Pointer::Accumulator, Some(false)) => {
                Err(Mistake::new(span, "\"#acc\" is known inside the predicate of reduce only"))
            }
            (Pointer::Index, _) => Ok(Type::Int),
            _ => Ok(Type::Any),
        }
    }

    /// The code of an operand that must be a bool.
    fn bool(&mut self, expr: &Expr, what: &str) -> Result<Code, Mistake> {
        let (code, kind) = self.expr(expr)?;
        if !kind.may_be(&[Type::Bool]) {
            return Err(Mistake::new(expr.span, format!("{what} needs a bool, but this is {}", a(kind))));
        }
        Ok(code)
    }

    fn unary(&mut self, op: Unary, operand: &Expr, span: Span) -> Result<Typed, Mistake> {
        if op == Unary::Not {
            return Ok((self.bool(operand, "\"not\"")?.negated(), Type::Bool));
        }
        let (code, kind) = self.expr(operand)?;
        if !kind.may_be(&[Type::Int, Type::Float]) {
            return Err(Mistake::new(
                span,
                format!("\"{}\" needs a number, but this is {}", op.symbol(), a(kind)),
            ));
        }
        let code = Box::new(code);
        Ok((if op == Unary::Minus { Code::Minus(code) } else { Code::Plus(code) }, kind))
    }

    fn binary(&mut self, op: Binary, left: &Expr, right: &Expr, span: Span) -> Result<Typed, Mistake> {
        use Type::{Any, Bool, Duration, Float, Int, List, Nil, String, Time};
        let (left_code, l) = self.expr(left)?;
        let (right_code, r) = self.expr(right)?;
        let mismatch = || {
            let message = format!("\"{}\" is not defined for {} and {}", op.symbol(), a(l), a(r));
            Err(Mistake::new(span, message))
        };
        let both = |kinds: &[Type]| l.may_be(kinds) && r.may_be(kinds);
        let unknown = l == Any || r == Any;
        let pair = |left, right| Box::new((left, right));
        let typed = match op {
            Binary::And | Binary::Or => return mismatch(),
            Binary::Equal | Binary::NotEqual => {
                let negated = op == Binary::NotEqual;
                let code = match (l, r) {
                    (_, Nil) => Code::IsNil(Box::new(left_code), negated),
                    (Nil, _) => Code::IsNil(Box::new(right_code), negated),
                    _ => Code::Equal(pair(left_code, right_code), negated),
                };
                (code, Bool)
            }
            Binary::Less | Binary::LessEqual | Binary::Greater | Binary::GreaterEqual => {
                if !both(COMPARABLE) || !(unknown || l == r || l.is_number() && r.is_number()) {
                    return mismatch();
                }
                (Code::Order(Order::new(op), pair(left_code, right_code)), Bool)
            }
            Binary::In => {
                if !r.may_be(&[List, Type::Map, Nil]) {
                    return mismatch();
                }
                (Code::In(pair(left_code, right_code)), Bool)
            }
            Binary::Matches => {
                if !l.may_be(&[String, Type::Bytes, Nil]) || !r.may_be(&[String, Nil]) {
                    return mismatch();
                }
                match right_code.constant_text() {
                    Some(pattern) => {
                        let regex = pattern::compile(pattern)
                            .map_err(|error| Mistake::new(right.span, error.to_string()))?;
                        (Code::Matches(Box::new(left_code), regex), Bool)
                    }
                    None => (Code::MatchesDynamic(pair(left_code, right_code)), Bool),
                }
            }
            Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
                if !both(&[String, Nil]) {
                    return mismatch();
                }
                let test = match op {
                    Binary::Contains => Test::Contains,
                    Binary::StartsWith => Test::StartsWith,
                    _ => Test::EndsWith,
                };
                (Code::Test(test, pair(left_code, right_code)), Bool)
            }
            Binary::Range => {
                if !both(&[Int]) {
                    return mismatch();
                }
                (Code::Range(pair(left_code, right_code)), List)
            }
            Binary::Coalesce => {
                let kind = if l == Nil { r } else { l.join(r) };
                (Code::Coalesce(pair(left_code, right_code)), kind)
            }
            Binary::Add
            | Binary::Subtract
            | Binary::Multiply
            | Binary::Divide
            | Binary::Modulo
            | Binary::Power => {
                let add = op == Binary::Add;
                let kind = match (l, r) {
                    _ if op == Binary::Divide || op == Binary::Power => {
                        if !both(&[Int, Float]) {
                            return mismatch();
                        }
                        Float
                    }
                    _ if op == Binary::Modulo => {
                        if !both(&[Int]) {
                            return mismatch();
                        }
                        Int
                    }
                    (Int, Int) => Int,
                    (Int | Float, Int | Float) => Float,
                    (String, String) if add => String,
                    (Time, Duration) if op != Binary::Multiply => Time,
                    (Duration, Time) if add => Time,
                    (Time, Time) if op == Binary::Subtract => Duration,
                    (Duration, Duration) if op != Binary::Multiply => Duration,
                    (Duration, Int | Float) | (Int | Float, Duration) if op == Binary::Multiply => Duration,
                    (Any, _) | (_, Any) if add && both(COMPARABLE) => Any,
                    (Any, _) | (_, Any) if both(&[Int, Float, Time, Duration]) => Any,
                    _ => return mismatch(),
                };
                (Code::Arithmetic(op, pair(left_code, right_code)), kind)
            }
        };
        Ok(typed)
    }

    fn comparisons(&mut self, first: &Expr, links: &[(Binary, Expr)], span: Span) -> Result<Typed, Mistake> {
        let (code, mut left) = self.expr(first)?;
        let mut codes = Vec::with_capacity(links.len());
        for (op, right) in links {
            let (right_code, kind) = self.expr(right)?;
            let fits = left.may_be(COMPARABLE) && kind.may_be(COMPARABLE);
            if !fits {
                let message = format!("\"{}\" is not defined for {} and {}", op.symbol(), a(left), a(kind));
                return Err(Mistake::new(span, message));
            }
            codes.push((Order::new(*op), right_code));
            left = kind;
        }
        Ok((Code::Orders(Box::new(code), codes.into()), Type::Bool))
    }

    fn conditional(&mut self, condition: &Expr, yes: Option<&Expr>, no: &Expr) -> Result<Typed, Mistake> {
        let condition = self.bool(condition, "a condition")?;
        let (no_code, no_kind) = self.expr(no)?;
        let Some(yes) = yes else {
            let holds = Code::Constant(Constant::from_any(true));
            let kind = Type::Bool.join(no_kind);
            return Ok((Code::Conditional(Box::new((condition, holds, no_code))), kind));
        };
        let (yes_code, yes_kind) = self.expr(yes)?;
        Ok((Code::Conditional(Box::new((condition, yes_code, no_code))), yes_kind.join(no_kind)))
    }

    fn access(&mut self, base: &Expr, steps: &[Step]) -> Result<Typed, Mistake> {
        let (base, mut kind, steps) = match (&base.kind, steps.split_first()) {
            // $env.name and $env["name"] are the name itself.
            (Kind::Name(name), Some((first, rest))) if name == "$env" => match &first.access {
                Access::Field(name) | Access::Index(Expr { kind: Kind::Text(name), .. }) => {
                    let (code, kind) = self.name(name, first.span)?;
                    (code, kind, rest)
                }
                _ => return Err(Mistake::new(first.span, "write $env.name or $env[\"name\"]")),
            },
            _ => {
                let (code, kind) = self.expr(base)?;
                (code, kind, steps)
            }
        };
        let mut codes = Vec::with_capacity(steps.len());
        let mut optional = false;
        for step in steps {
            optional |= step.optional;
            let (code, next) = self.step(step, kind)?;
            codes.push((code, step.optional));
            kind = next;
        }
        if codes.is_empty() {
            return Ok((base, kind));
        }
        Ok((Code::access(base, codes), if optional { Type::Any } else { kind }))
    }

    fn step(&mut self, step: &Step, of: Type) -> Result<(StepCode, Type), Mistake> {
        let cannot = |what: &str| Err(Mistake::new(step.span, format!("cannot {what} of {}", a(of))));
        match &step.access {
            Access::Field(name) => {
                // nil has its own error, at run time, since `?.` and short circuits may avoid it.
                if !of.may_be(&[Type::Map, Type::Nil]) {
                    return cannot(&format!("take the field \"{name}\""));
                }
                Ok((StepCode::Field(name.as_str().into()), Type::Any))
            }
            Access::Index(index) => {
                let (code, kind) = self.expr(index)?;
                let fits = match of {
                    Type::Map => kind.may_be(&[Type::String, Type::Nil, Type::Int, Type::Float, Type::Bool]),
                    Type::List | Type::String | Type::Bytes => kind.may_be(&[Type::Int, Type::Float]),
                    Type::Any | Type::Nil => true,
                    _ => false,
                };
                if !fits {
                    return cannot(&format!("take the element {index}"));
                }
                Ok(match code.constant_text() {
                    Some(key) => (StepCode::Field(key.into()), Type::Any),
                    None => (StepCode::Index(code), Type::Any),
                })
            }
            Access::Slice(from, to) => {
                if !of.may_be(&[Type::List, Type::String, Type::Nil]) {
                    return cannot("take a part");
                }
                let mut bound = |bound: &Option<Expr>| -> Result<Option<Code>, Mistake> {
                    let Some(bound) = bound else { return Ok(None) };
                    let (code, kind) = self.expr(bound)?;
                    if !kind.may_be(&[Type::Int, Type::Float]) {
                        return Err(Mistake::new(
                            bound.span,
                            format!("a slice needs ints, but this is {}", a(kind)),
                        ));
                    }
                    Ok(Some(code))
                };
                Ok((StepCode::Slice(bound(from)?, bound(to)?), of))
            }
            Access::Method(name, args) => {
                let methods = builtins::methods(of);
                let known = methods.iter().find(|(known, ..)| known == name);
                let returns = match (of, known) {
                    (Type::Any, _) => Type::Any,
                    (_, Some((_, arity, returns))) if *arity == args.len() => *returns,
                    (_, Some((_, arity, _))) => {
                        let message = format!("\"{name}\" takes {arity} arguments, not {}", args.len());
                        return Err(Mistake::new(step.span, message));
                    }
                    (_, None) => {
                        let hint = suggest::hint(name, methods.iter().map(|(name, ..)| *name));
                        let message = format!("there is no method \"{name}\" of {}{hint}", a(of));
                        return Err(Mistake::new(step.span, message));
                    }
                };
                Ok((StepCode::Method(name.as_str().into(), self.all(args)?), returns))
            }
        }
    }

    fn call(&mut self, name: &str, args: &[Expr], span: Span) -> Result<Typed, Mistake> {
        let name_span = Span::new(span.start, (span.start + name.len()).min(span.end));
        if let Some(predicate) = Predicate::find(name) {
            return self.each(predicate, args, name_span);
        }
        if self.about_points
            && let Some(meaning) = point::meaning(name, args, span)
        {
            return self.expr(&meaning);
        }
        let Some(builtin) = builtins::find(name) else {
            let hint = suggest::hint(name, builtins::names());
            return Err(Mistake::new(name_span, format!("unknown function \"{name}\"{hint}")));
        };
        let most =
            if builtin.variadic { usize::MAX } else { builtin.required.len() + builtin.optional.len() };
        if args.len() < builtin.required.len() || args.len() > most {
            return Err(Mistake::new(span, wrong_count(builtin, args.len())));
        }
        let mut codes = Vec::with_capacity(args.len());
        for (place, arg) in args.iter().enumerate() {
            let (code, kind) = self.expr(arg)?;
            let wanted = builtin.required.iter().chain(builtin.optional).nth(place);
            let wanted = wanted.or(builtin.required.last()).copied().unwrap_or_default();
            if !builtins::accepts(wanted, kind) {
                let names: Vec<&str> = wanted.iter().map(|kind| kind.name()).collect();
                let message = format!("{name} needs {} here, but this is {}", names.join(" or "), a(kind));
                return Err(Mistake::new(arg.span, message));
            }
            codes.push(code);
        }
        Ok((Code::Call(builtin, codes.into()), builtin.returns))
    }

    fn each(&mut self, predicate: Predicate, args: &[Expr], span: Span) -> Result<Typed, Mistake> {
        let (least, most) = predicate.arity();
        if args.len() < least || args.len() > most {
            let wanted = if least == most { least.to_string() } else { format!("{least} or {most}") };
            let message = format!("{} takes {wanted} arguments, not {}", predicate.name(), args.len());
            return Err(Mistake::new(span, message));
        }
        let (list, kind) = self.expr(&args[0])?;
        if !kind.may_be(&[Type::List]) {
            let message = format!("{} needs an array, but this is {}", predicate.name(), a(kind));
            return Err(Mistake::new(args[0].span, message));
        }
        let mut body = None;
        if let Some(arg) = args.get(1) {
            self.predicates.push(predicate == Predicate::Reduce);
            let typed = self.expr(arg);
            self.predicates.pop();
            let (code, kind) = typed?;
            if predicate.wants() != Type::Any && !kind.may_be(&[predicate.wants()]) {
                let message = format!(
                    "the predicate of {} must be {}, but this is {}",
                    predicate.name(),
                    a(predicate.wants()),
                    a(kind)
                );
                return Err(Mistake::new(arg.span, message));
            }
            body = Some(code);
        }
        let extra = args.get(2).map(|extra| Ok(self.expr(extra)?.0)).transpose()?;
        Ok((Code::Each(Box::new(Each { predicate, list, body, extra })), predicate.returns()))
    }
}

fn wrong_count(builtin: &Builtin, got: usize) -> String {
    let least = builtin.required.len();
    let most = least + builtin.optional.len();
    let wanted = match (builtin.variadic, least == most) {
        (true, _) => format!("at least {least}"),
        (false, true) => least.to_string(),
        (false, false) => format!("{least} to {most}"),
    };
    format!("{} takes {wanted} arguments, not {got}", builtin.name)
}

/// "an int", "a bool", "nil".
pub(super) fn a(kind: Type) -> String {
    match kind {
        Type::Nil => "nil".into(),
        Type::Bytes => "bytes".into(),
        Type::Int | Type::List | Type::Any => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
