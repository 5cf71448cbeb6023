//! From the syntax tree to compiled expressions: names are looked up, arguments checked, patterns
//! built. Everything that can be wrong without data is wrong here, at start.

use super::ast::{self, Kind, Node, Segment};
use super::context::{Access, ContextKind, PathSpec};
use super::enums::ENUMS;
use super::error::{Fault, did_you_mean};
use super::expr::{Call, Condition, Expr};
use super::functions::{self, Arg, Args, EditorFn, Function, Param, ParamKind, Run};
use super::layout::Layout;
use super::path::{Key, Path};
use super::pattern::Pattern;
use crate::otlp::{AnyValue, KeyValue};

/// Compiles for one context.
#[derive(Clone, Copy, Debug)]
pub struct Compiler {
    pub context: ContextKind,
}

type Compiled<T> = Result<T, Fault>;

impl Compiler {
    pub fn editor(self, call: &ast::Call) -> Compiled<(EditorFn, Args)> {
        let function = self.function(&call.name, call.at, true)?;
        match function.run {
            Run::Editor(run) => Ok((run, self.args(function, call)?)),
            Run::Converter(_) => {
                Err(Fault::new(call.at, format!("\"{}\" is a converter, not an editor", call.name)))
            }
        }
    }

    pub fn condition(self, node: &Node) -> Compiled<Condition> {
        Ok(match &node.kind {
            Kind::Bool(answer) => Condition::Always(*answer),
            Kind::Compare(op, left, right) => Condition::Compare(*op, self.value(left)?, self.value(right)?),
            Kind::Not(inner) => Condition::Not(Box::new(self.condition(inner)?)),
            Kind::And(nodes) => Condition::All(self.conditions(nodes)?),
            Kind::Or(nodes) => Condition::Any(self.conditions(nodes)?),
            Kind::Call(call) => Condition::Call(Box::new(self.call(call)?)),
            _ => return Err(Fault::new(node.at, "expected a condition")),
        })
    }

    fn conditions(self, nodes: &[Node]) -> Compiled<Vec<Condition>> {
        nodes.iter().map(|node| self.condition(node)).collect()
    }

    pub fn value(self, node: &Node) -> Compiled<Expr> {
        Ok(match &node.kind {
            Kind::Nil => Expr::Literal(AnyValue::Empty),
            Kind::Bool(value) => Expr::Literal(AnyValue::Bool(*value)),
            Kind::Int(value) => Expr::Literal(AnyValue::Int(*value)),
            Kind::Float(value) => Expr::Literal(AnyValue::Double(*value)),
            Kind::Text(text) => Expr::Literal(AnyValue::String(text.clone())),
            Kind::Bytes(bytes) => Expr::Literal(AnyValue::Bytes(bytes.clone())),
            Kind::Capital(name) => Expr::Literal(AnyValue::Int(self.enumeration(name, node.at)?)),
            Kind::Path(segments) => Expr::Path(self.path(segments)?.0),
            Kind::Call(call) => Expr::Call(Box::new(self.call(call)?)),
            Kind::List(nodes) => list(self.values(nodes)?),
            Kind::Map(entries) => {
                let values: Compiled<Vec<_>> =
                    entries.iter().map(|(key, node)| Ok((key.clone(), self.value(node)?))).collect();
                map(values?)
            }
            Kind::Math(op, left, right) => Expr::Math(*op, Box::new((self.value(left)?, self.value(right)?))),
            Kind::Compare(..) | Kind::Not(_) | Kind::And(_) | Kind::Or(_) => {
                return Err(Fault::new(node.at, "expected a value, found a condition"));
            }
        })
    }

    fn values(self, nodes: &[Node]) -> Compiled<Vec<Expr>> {
        nodes.iter().map(|node| self.value(node)).collect()
    }

    fn call(self, call: &ast::Call) -> Compiled<Call> {
        let function = self.function(&call.name, call.at, false)?;
        let Run::Converter(run) = function.run else {
            return Err(Fault::new(call.at, format!("\"{}\" is an editor and gives no value", call.name)));
        };
        Ok(Call { function: run, args: self.args(function, call)?, keys: self.keys(&call.keys)? })
    }

    fn function(self, name: &str, at: usize, editor: bool) -> Compiled<&'static Function> {
        let Some(function) = functions::find(name) else {
            let known = functions::all().filter(|f| f.is_editor() == editor && f.available_in(self.context));
            let near = did_you_mean(name, known.map(|function| function.name));
            return Err(Fault::new(at, format!("undefined function \"{name}\"{near}")));
        };
        if function.available_in(self.context) {
            return Ok(function);
        }
        let places: Vec<&str> = function.contexts.iter().map(|context| context.name()).collect();
        Err(Fault::new(
            at,
            format!(
                "function \"{name}\" does not exist in the {} context, only in: {}",
                self.context.name(),
                places.join(", ")
            ),
        ))
    }

    fn args(self, function: &'static Function, call: &ast::Call) -> Compiled<Args> {
        let signature = || format!("usage: {}", function.signature());
        let mut given: Vec<Option<&ast::Argument>> = vec![None; function.params.len()];
        for (position, argument) in call.args.iter().enumerate() {
            let place = match &argument.name {
                None if position < given.len() => position,
                None => {
                    return Err(Fault::new(
                        argument.at,
                        format!("too many arguments for {}: {}", function.name, signature()),
                    ));
                }
                Some(name) => {
                    let place = function.params.iter().position(|param| param.name == name);
                    place.ok_or_else(|| {
                        let near = did_you_mean(name, function.params.iter().map(|param| param.name));
                        let message = format!("{} has no argument \"{name}\"{near}", function.name);
                        Fault::new(argument.at, message)
                    })?
                }
            };
            if given[place].replace(argument).is_some() {
                let message = format!("argument \"{}\" is given twice", function.params[place].name);
                return Err(Fault::new(argument.at, message));
            }
        }
        let mut args = Vec::with_capacity(given.len());
        for (param, argument) in function.params.iter().zip(&given) {
            args.push(match argument {
                Some(argument) => self.arg(function, param, &argument.value)?,
                None if param.optional => Arg::Missing,
                None => {
                    let message =
                        format!("{} needs argument \"{}\": {}", function.name, param.name, signature());
                    return Err(Fault::new(call.at, message));
                }
            });
        }
        let mut args = Args(args);
        if let Some(check) = function.check
            && let Err((place, message)) = check(&mut args)
        {
            let at = given.get(place).copied().flatten().map_or(call.at, |argument| argument.value.at);
            return Err(Fault::new(at, message));
        }
        Ok(args)
    }

    fn arg(self, function: &Function, param: &Param, node: &Node) -> Compiled<Arg> {
        let wrong = |found: &str| {
            let expected = param.kind.describe();
            let message = format!(
                "argument \"{}\" of {} must be a {expected}, found {found}",
                param.name, function.name
            );
            Fault::new(node.at, message)
        };
        match (param.kind, &node.kind) {
            (ParamKind::Target | ParamKind::MapTarget, Kind::Path(segments)) => {
                let (path, spec) = self.path(segments)?;
                self.check_target(param.kind, spec).map_err(|message| Fault::new(node.at, message))?;
                Ok(Arg::Path(path))
            }
            (ParamKind::Target | ParamKind::MapTarget, _) => Err(wrong(describe(&node.kind))),
            (ParamKind::Choice(choices), Kind::Text(text)) => match choices.iter().position(|c| c == text) {
                Some(choice) => Ok(Arg::Choice(choice)),
                None => Err(wrong(&format!("\"{text}\""))),
            },
            (ParamKind::Choice(_), other) => Err(wrong(describe(other))),
            (ParamKind::LiteralText, Kind::Text(_)) => Ok(Arg::Expr(self.value(node)?)),
            (ParamKind::LiteralText, other) => Err(wrong(describe(other))),
            (ParamKind::Function, Kind::Capital(name)) => {
                Ok(Arg::Function(self.text_function(name, node.at)?))
            }
            (ParamKind::Function, Kind::Call(call)) if call.args.is_empty() => {
                Ok(Arg::Function(self.text_function(&call.name, node.at)?))
            }
            (ParamKind::Function, other) => Err(wrong(describe(other))),
            (ParamKind::Values | ParamKind::Texts, Kind::List(nodes)) => {
                let other =
                    nodes.iter().find(|node| is_literal(&node.kind) && !matches!(node.kind, Kind::Text(_)));
                match (param.kind, other) {
                    (ParamKind::Texts, Some(other)) => Err(Fault::new(other.at, "expected a string")),
                    _ => Ok(Arg::Exprs(self.values(nodes)?)),
                }
            }
            (ParamKind::Regex | ParamKind::Glob, kind) if !is_literal(kind) => Ok(Arg::DynamicPattern {
                expr: self.value(node)?,
                glob: param.kind == ParamKind::Glob,
                last: functions::LastPattern::default(),
            }),
            (ParamKind::Regex, Kind::Text(text)) => {
                Pattern::new(text).map(Arg::Pattern).map_err(|message| Fault::new(node.at, message))
            }
            (ParamKind::Glob, Kind::Text(text)) => {
                Pattern::glob(text).map(Arg::Pattern).map_err(|message| Fault::new(node.at, message))
            }
            (ParamKind::Layout, Kind::Text(text)) => {
                Layout::new(text).map(Arg::Layout).map_err(|message| Fault::new(node.at, message))
            }
            (ParamKind::Layout, kind) if !is_literal(kind) => Ok(Arg::DynamicLayout(self.value(node)?)),
            (ParamKind::Float, Kind::Int(number)) => {
                Ok(Arg::Expr(Expr::Literal(AnyValue::Double(*number as f64))))
            }
            (kind, literal) if is_literal(literal) && !accepts(kind, literal) => {
                Err(wrong(describe(literal)))
            }
            _ => Ok(Arg::Expr(self.value(node)?)),
        }
    }

    fn check_target(self, kind: ParamKind, spec: &PathSpec) -> Result<(), String> {
        let name = format!("{}.{}", self.context.name(), spec.name);
        match (spec.access, kind) {
            (Access::Read, _) => Err(format!("\"{name}\" is read-only")),
            (Access::ReadWrite, ParamKind::MapTarget) => {
                Err(format!("expected a path to a map, \"{name}\" is a {}", spec.kind))
            }
            _ => Ok(()),
        }
    }

    /// A converter that turns one value into another.
    fn text_function(self, name: &str, at: usize) -> Compiled<&'static Function> {
        let function = self.function(name, at, false)?;
        let required = function.params.iter().filter(|param| !param.optional).count();
        if function.is_editor() || required != 1 || function.params[0].kind == ParamKind::Target {
            return Err(Fault::new(at, format!("\"{name}\" is not a converter of one value")));
        }
        Ok(function)
    }

    fn enumeration(self, name: &str, at: usize) -> Compiled<i64> {
        if let Some(found) = ENUMS.iter().find(|e| e.name == name && e.contexts.contains(&self.context)) {
            return Ok(found.number);
        }
        if functions::find(name).is_some() {
            return Err(Fault::new(
                at,
                format!("\"{name}\" is a function: give it arguments in parentheses"),
            ));
        }
        let known = ENUMS.iter().filter(|e| e.contexts.contains(&self.context)).map(|e| e.name);
        let near = did_you_mean(name, known);
        Err(Fault::new(at, format!("\"{name}\" is not an enum of the {} context{near}", self.context.name())))
    }

    fn path(self, segments: &[Segment]) -> Compiled<(Path, &'static PathSpec)> {
        let first = &segments[0];
        let prefix = ContextKind::of_prefix(&first.name).filter(|_| segments.len() > 1);
        let context = prefix.unwrap_or(self.context);
        if !self.context.visible().contains(&context) {
            let message = format!("\"{}\" is not visible in the {} context", first.name, self.context.name());
            return Err(Fault::new(first.at, message));
        }
        let fields = if prefix.is_some() { &segments[1..] } else { segments };
        if let Some(segment) = fields[..fields.len() - 1].iter().find(|segment| !segment.keys.is_empty()) {
            let message = "an index ends a path: write further keys as indexes, such as [\"a\"][\"b\"]";
            return Err(Fault::new(segment.keys[0].at, message));
        }
        let name = fields.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".");
        let spec = context.paths().iter().find(|path| path.name == name);
        let spec = spec.ok_or_else(|| {
            let known = context.paths().iter().map(|path| path.name);
            let near = did_you_mean(&name, known.clone());
            let hint = if near.is_empty() {
                format!(": it has {}", known.collect::<Vec<_>>().join(", "))
            } else {
                near
            };
            let message = format!("\"{name}\" is not a path of the {} context{hint}", context.name());
            Fault::new(fields[0].at, message)
        })?;
        if name == "cache" && context != self.context {
            let message = format!("only \"{}.cache\" can be used here", self.context.name());
            return Err(Fault::new(first.at, message));
        }
        let keys = &fields[fields.len() - 1].keys;
        if let Some(key) = keys.first()
            && matches!(spec.access, Access::Read | Access::ReadWrite)
            && spec.kind != "list"
        {
            return Err(Fault::new(key.at, format!("\"{name}\" is a {}: it cannot be indexed", spec.kind)));
        }
        Ok((Path::new(spec.field, self.keys(keys)?), spec))
    }

    fn keys(self, nodes: &[Node]) -> Compiled<Vec<Key>> {
        nodes.iter().map(|node| self.key(node)).collect()
    }

    fn key(self, node: &Node) -> Compiled<Key> {
        Ok(match &node.kind {
            Kind::Text(name) => Key::Name(name.clone()),
            Kind::Int(index) => Key::Index(*index),
            kind if is_literal(kind) => {
                return Err(Fault::new(node.at, format!("{} cannot be an index", describe(kind))));
            }
            _ => Key::Expr(self.value(node)?),
        })
    }
}

fn list(items: Vec<Expr>) -> Expr {
    if items.iter().all(|item| matches!(item, Expr::Literal(_))) {
        let values = items.into_iter().filter_map(into_literal).collect();
        return Expr::Literal(AnyValue::Array(values));
    }
    Expr::List(items)
}

/// Of equal keys the last wins.
fn map(mut entries: Vec<(crate::otlp::Str, Expr)>) -> Expr {
    let last = |i: usize, entries: &[(crate::otlp::Str, Expr)]| {
        !entries[i + 1..].iter().any(|(key, _)| *key == entries[i].0)
    };
    let kept: Vec<bool> = (0..entries.len()).map(|i| last(i, &entries)).collect();
    let mut kept = kept.into_iter();
    entries.retain(|_| kept.next().unwrap_or(true));
    if entries.iter().all(|(_, value)| matches!(value, Expr::Literal(_))) {
        let entry = |(key, value)| Some(KeyValue { key, value: into_literal(value)? });
        return Expr::Literal(AnyValue::Map(entries.into_iter().filter_map(entry).collect()));
    }
    Expr::Map(entries)
}

fn into_literal(expr: Expr) -> Option<AnyValue> {
    match expr {
        Expr::Literal(value) => Some(value),
        _ => None,
    }
}

/// Whether the type is known without data.
fn is_literal(kind: &Kind) -> bool {
    !matches!(kind, Kind::Path(_) | Kind::Call(_) | Kind::Math(..))
}

/// Whether a parameter takes a literal of that type.
fn accepts(param: ParamKind, literal: &Kind) -> bool {
    match param {
        ParamKind::Any | ParamKind::TextLike => true,
        ParamKind::Text | ParamKind::Regex | ParamKind::Glob | ParamKind::Layout => {
            matches!(literal, Kind::Text(_))
        }
        ParamKind::Int => matches!(literal, Kind::Int(_) | Kind::Capital(_)),
        ParamKind::Float => matches!(literal, Kind::Float(_) | Kind::Int(_)),
        ParamKind::Bool => matches!(literal, Kind::Bool(_)),
        ParamKind::Map => matches!(literal, Kind::Map(_)),
        _ => false,
    }
}

fn describe(kind: &Kind) -> &'static str {
    match kind {
        Kind::Nil => "nil",
        Kind::Bool(_) => "a bool",
        Kind::Int(_) => "an int",
        Kind::Float(_) => "a float",
        Kind::Text(_) => "a string",
        Kind::Bytes(_) => "bytes",
        Kind::Capital(_) => "a name",
        Kind::Path(_) => "a path",
        Kind::Call(_) => "a converter",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        Kind::Math(..) => "a calculation",
        Kind::Compare(..) | Kind::Not(_) | Kind::And(_) | Kind::Or(_) => "a condition",
    }
}
