//! What all parsers have in common: where the text comes from, where its parts go, and the blocks
//! that set time, severity, trace and scope afterwards.

use crate::config::Issues;
use crate::otlp::AnyValue;

use super::super::entry::Entry;
use super::scope_name_parser::{Scope, ScopeConfig};
use super::severity_parser::{Severity, SeverityConfig};
use super::time_parser::{Time, TimeConfig};
use super::trace_parser::{Trace, TraceConfig};
use super::{Decoded, Emitter, Field, Operator, Problem, Verdict};

/// Takes one value apart.
pub trait Parse: Clone + Send + Sync + 'static {
    /// The parts: a map, or what `parse_to` may be set to.
    fn parse(&mut self, value: &AnyValue) -> Result<AnyValue, Problem>;
}

/// The common keys of a parser, checked.
#[derive(Clone, Debug)]
pub struct Common {
    parse_from: Field,
    parse_to: Field,
    body: Option<Field>,
    pub blocks: Blocks,
}

/// The nested blocks of a parser.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    timestamp: Option<Time>,
    severity: Option<Severity>,
    trace: Option<Trace>,
    scope: Option<Scope>,
}

/// The common keys of a parser as they are in its section.
pub struct CommonConfig<'a> {
    pub parse_from: &'a str,
    pub parse_to: &'a str,
    pub body: Option<&'a str>,
    pub timestamp: Option<&'a TimeConfig>,
    pub severity: Option<&'a SeverityConfig>,
    pub trace: Option<&'a TraceConfig>,
    pub scope_name: Option<&'a ScopeConfig>,
}

/// Declares the config struct of a parser: the keys of all operators, of all parsers, and its own.
macro_rules! parser_config {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($own:tt)* }) => {
        $crate::receivers::filelog::operators::operator_config! {
            $(#[$doc])*
            $vis struct $name {
                parse_from: String = "body".to_owned(),
                parse_to: String = "attributes".to_owned(),
                body: Option<String> = None,
                timestamp: Option<$crate::receivers::filelog::operators::time_parser::TimeConfig> = None,
                severity: Option<$crate::receivers::filelog::operators::severity_parser::SeverityConfig> = None,
                trace: Option<$crate::receivers::filelog::operators::trace_parser::TraceConfig> = None,
                scope_name: Option<$crate::receivers::filelog::operators::scope_name_parser::ScopeConfig> = None,
                $($own)*
            }
        }
        impl $name {
            fn common(&self) -> $crate::receivers::filelog::operators::parsing::CommonConfig<'_> {
                $crate::receivers::filelog::operators::parsing::CommonConfig {
                    parse_from: &self.parse_from,
                    parse_to: &self.parse_to,
                    body: self.body.as_deref(),
                    timestamp: self.timestamp.as_ref(),
                    severity: self.severity.as_ref(),
                    trace: self.trace.as_ref(),
                    scope_name: self.scope_name.as_ref(),
                }
            }
        }
    };
}
pub(crate) use parser_config;

/// Keeps the value of a check, or reports it under `path::key`.
pub fn check<T, E: ToString>(
    result: Result<T, E>,
    path: &str,
    key: &str,
    issues: &mut Issues<'_>,
) -> Option<T> {
    result.map_err(|error| issues.error(&format!("{path}::{key}"), error.to_string())).ok()
}

/// A field that must be given.
pub fn required(text: &str, path: &str, key: &str, issues: &mut Issues<'_>) -> Option<Field> {
    if text.is_empty() {
        issues.error(path, format!("missing required parameter \"{key}\": name a field"));
        return None;
    }
    check(Field::parse(text), path, key, issues)
}

impl CommonConfig<'_> {
    pub fn check(&self, path: &str, issues: &mut Issues<'_>) -> Option<Common> {
        let parse_from = check(Field::parse(self.parse_from), path, "parse_from", issues);
        let parse_to = check(Field::parse_root(self.parse_to), path, "parse_to", issues);
        let body = match self.body {
            Some(body) => check(Field::parse(body), path, "body", issues).map(Some),
            None => Some(None),
        };
        let blocks = self.check_blocks(path, issues);
        Some(Common { parse_from: parse_from?, parse_to: parse_to?, body: body?, blocks: blocks? })
    }

    fn check_blocks(&self, path: &str, issues: &mut Issues<'_>) -> Option<Blocks> {
        fn block<C, B>(
            config: Option<&C>,
            name: &str,
            path: &str,
            issues: &mut Issues<'_>,
            check: impl FnOnce(&C, &str, &mut Issues<'_>) -> Option<B>,
        ) -> Option<Option<B>> {
            match config {
                Some(config) => check(config, &format!("{path}::{name}"), issues).map(Some),
                None => Some(None),
            }
        }
        let timestamp = block(self.timestamp, "timestamp", path, issues, TimeConfig::check);
        let severity = block(self.severity, "severity", path, issues, SeverityConfig::check);
        let trace = block(self.trace, "trace", path, issues, TraceConfig::check);
        let scope = block(self.scope_name, "scope_name", path, issues, ScopeConfig::check);
        Some(Blocks { timestamp: timestamp?, severity: severity?, trace: trace?, scope: scope? })
    }
}

impl Blocks {
    /// Runs all of them; the first problem is reported, what succeeded stays.
    pub fn run(&self, entry: &mut Entry) -> Result<(), Problem> {
        let time = self.timestamp.as_ref().map_or(Ok(()), |time| time.run(entry));
        let severity = self.severity.as_ref().map_or(Ok(()), |severity| severity.run(entry));
        let trace = self.trace.as_ref().map_or(Ok(()), |trace| trace.run(entry));
        let scope = self.scope.as_ref().map_or(Ok(()), |scope| scope.run(entry));
        time.and(severity).and(trace).and(scope)
    }
}

impl Common {
    /// Parses what is at `parse_from` and puts the result where it belongs.
    pub fn run(&self, entry: &mut Entry, parse: &mut impl Parse) -> Result<Verdict, Problem> {
        let value = self.parse_from.get(entry).ok_or(MISSING)?;
        let parsed = parse.parse(value)?;
        self.put(entry, parsed)
    }

    /// What comes after a successful parse.
    pub fn put(&self, entry: &mut Entry, parsed: AnyValue) -> Result<Verdict, Problem> {
        self.parse_to.set(entry, parsed)?;
        if let Some(body) = &self.body
            && let Some(value) = body.get_cloned(entry)
        {
            entry.body = value;
        }
        self.blocks.run(entry).map(|()| Verdict::Pass)
    }

    pub fn value<'a>(&self, entry: &'a Entry) -> Result<&'a AnyValue, Problem> {
        self.parse_from.get(entry).ok_or(Problem::from(MISSING))
    }
}

/// The problem of every operator whose source is not there.
pub const MISSING: &str = "the field to parse is missing";

/// A text, or the reason why a value is none.
pub fn text(value: &AnyValue) -> Result<&str, Problem> {
    match value {
        AnyValue::String(text) => Ok(text),
        AnyValue::Bytes(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| "the value is not valid UTF-8".into())
        }
        _ => Err("the value to parse is not a string".into()),
    }
}

struct Parser<P> {
    common: Common,
    parse: P,
}

impl<P: Parse> Operator for Parser<P> {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        self.common.run(entry, &mut self.parse)
    }
}

/// A parser from its checked parts.
pub fn parser(common: Common, parse: impl Parse) -> Decoded {
    Decoded::new(move || Box::new(Parser { common: common.clone(), parse: parse.clone() }))
}

/// An operator that changes an entry and has nothing else to do.
pub trait Change: Clone + Send + Sync + 'static {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem>;
}

struct Changer<C>(C);

impl<C: Change> Operator for Changer<C> {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        self.0.change(entry).map(|()| Verdict::Pass)
    }
}

/// A simple operator from its checked config.
pub fn changer(change: impl Change) -> Decoded {
    Decoded::new(move || Box::new(Changer(change.clone())))
}
