//! From the configured lists to compiled groups of statements.

use super::config::{Entry, ErrorMode, GroupConfig};
use crate::ottl::{ContextKind, Predicate, Statement, infer};
use crate::pipeline::Signal;

/// Statements that run, one after the other, on each item of one context.
#[derive(Debug)]
pub struct Group {
    pub context: ContextKind,
    pub error_mode: ErrorMode,
    pub conditions: Vec<Predicate>,
    pub statements: Vec<Statement>,
}

/// Mistakes: where (`::0::statements::1`) and what.
pub type Faults = Vec<(String, String)>;

/// Compiles the list of one signal, or tells everything that is wrong with it.
pub fn compile(signal: Signal, entries: &[Entry], error_mode: ErrorMode) -> Result<Vec<Group>, Faults> {
    let flat = entries.iter().filter(|entry| matches!(entry, Entry::Flat(_))).count();
    if flat != 0 && flat != entries.len() {
        let message = "statements and groups are mixed: write all entries in one of the two forms";
        return Err(vec![(String::new(), message.to_owned())]);
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut faults = Faults::new();
    for (i, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Flat(text) => {
                if let Some(group) = compile_flat(signal, text, error_mode, &format!("::{i}"), &mut faults) {
                    add_flat(&mut groups, group);
                }
            }
            Entry::Group(config) => {
                groups.extend(compile_group(signal, config, error_mode, &format!("::{i}"), &mut faults));
            }
        }
    }
    if faults.is_empty() { Ok(groups) } else { Err(faults) }
}

/// Neighbours of one context share a pass over the batch, and with it the cache of each item.
fn add_flat(groups: &mut Vec<Group>, group: Group) {
    match groups.last_mut() {
        Some(last) if last.context == group.context => last.statements.extend(group.statements),
        _ => groups.push(group),
    }
}

fn compile_flat(
    signal: Signal,
    text: &String,
    error_mode: ErrorMode,
    path: &str,
    faults: &mut Faults,
) -> Option<Group> {
    let compiled = infer(signal, std::slice::from_ref(text), &[])
        .map_err(|error| error.to_string())
        .and_then(|context| Ok((context, Statement::compile(text, context).map_err(|e| e.to_string())?)));
    match compiled {
        Ok((context, statement)) => {
            Some(Group { context, error_mode, conditions: Vec::new(), statements: vec![statement] })
        }
        Err(message) => {
            faults.push((path.to_owned(), message));
            None
        }
    }
}

fn compile_group(
    signal: Signal,
    config: &GroupConfig,
    error_mode: ErrorMode,
    path: &str,
    faults: &mut Faults,
) -> Option<Group> {
    if config.statements.is_empty() && config.context.is_none() {
        return None;
    }
    let context = match context(signal, config) {
        Ok(context) => context,
        Err(message) => {
            faults.push((path.to_owned(), message));
            return None;
        }
    };
    let known = faults.len();
    let mut conditions = Vec::new();
    for (i, text) in config.conditions.iter().enumerate() {
        match Predicate::compile(text, context) {
            Ok(condition) => conditions.push(condition),
            Err(error) => faults.push((format!("{path}::conditions::{i}"), error.to_string())),
        }
    }
    let mut statements = Vec::new();
    for (i, text) in config.statements.iter().enumerate() {
        match Statement::compile(text, context) {
            Ok(statement) => statements.push(statement),
            Err(error) => faults.push((format!("{path}::statements::{i}"), error.to_string())),
        }
    }
    let error_mode = config.error_mode.unwrap_or(error_mode);
    (faults.len() == known && !statements.is_empty()).then_some(Group {
        context,
        error_mode,
        conditions,
        statements,
    })
}

fn context(signal: Signal, config: &GroupConfig) -> Result<ContextKind, String> {
    let Some(name) = &config.context else {
        return infer(signal, &config.statements, &config.conditions).map_err(|error| error.to_string());
    };
    let allowed = ContextKind::of_signal(signal);
    allowed.iter().copied().find(|context| context.name() == name).ok_or_else(|| {
        let names: Vec<&str> = allowed.iter().map(|context| context.name()).collect();
        format!("unknown context \"{name}\" for {signal}: use one of {}", names.join(", "))
    })
}
