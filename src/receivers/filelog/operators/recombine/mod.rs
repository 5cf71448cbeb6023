//! The `recombine` operator: several entries of one source become one.

mod batch;
mod run;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::config::Issues;
use crate::config::types::{ByteSize, duration};
use crate::expr::Program;

use super::expression::condition;
use super::parsing::{check, required};
use super::{Decoded, Field, OperatorType, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "recombine", decode };

operator_config! {
    /// Keys of the `recombine` operator.
    pub struct Config {
        /// True for the first entry of those that belong together.
        is_first_entry: String = String::new(),
        /// True for the last one. Exactly one of the two is given.
        is_last_entry: String = String::new(),
        combine_field: String = String::new(),
        /// What goes between the parts.
        combine_with: String = "\n".to_owned(),
        /// Entries with the same text here belong together.
        source_identifier: String = "attributes[\"log.file.path\"]".to_owned(),
        /// Most entries in one; 0 = no limit.
        max_batch_size: usize = 1000,
        /// Most entries in one as long as none was the first or last; 0 = no limit.
        max_unmatched_batch_size: usize = 100,
        /// Most sources that are collected at a time.
        max_sources: usize = 1000,
        /// Longest combined text in bytes; 0 = no limit.
        max_log_size: ByteSize = ByteSize(0),
        /// How long after its first entry a batch is handed on at the latest.
        #[serde(deserialize_with = "duration")]
        force_flush_period: Duration = Duration::from_secs(5),
        /// Whose other fields the combined entry keeps.
        overwrite_with: Base = Base::Oldest,
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    #[default]
    #[serde(alias = "")]
    Oldest,
    Newest,
}

/// Which entry the expression finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    First,
    Last,
}

/// The checked config. Limits of "none" are `usize::MAX`.
#[derive(Clone, Debug)]
struct Settings {
    mark: Mark,
    program: Arc<Program>,
    field: Field,
    with: String,
    source: Field,
    max_entries: usize,
    max_unmatched: usize,
    max_sources: usize,
    max_bytes: usize,
    flush_after: Duration,
    base: Base,
}

impl Settings {
    /// Whether nothing may be added to so many entries with so many bytes of text.
    fn is_full(&self, entries: usize, matched: bool, bytes: impl FnOnce() -> usize) -> bool {
        entries >= self.max_entries
            || self.max_bytes < usize::MAX && bytes() > self.max_bytes
            || !matched && entries >= self.max_unmatched
    }
}

fn limit(value: usize) -> usize {
    if value == 0 { usize::MAX } else { value }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let path = section.path;
    let (mark, source, key) = match (config.is_first_entry.as_str(), config.is_last_entry.as_str()) {
        ("", "") => {
            issues.error(path, "one of is_first_entry and is_last_entry must be set");
            return None;
        }
        (first, "") => (Mark::First, first, "is_first_entry"),
        ("", last) => (Mark::Last, last, "is_last_entry"),
        _ => {
            issues.error(path, "only one of is_first_entry and is_last_entry can be set");
            return None;
        }
    };
    let program = condition(source, &format!("{path}::{key}"), issues);
    let field = required(&config.combine_field, path, "combine_field", issues);
    let source = check(Field::parse(&config.source_identifier), path, "source_identifier", issues);
    let settings = Settings {
        mark,
        program: program?,
        field: field?,
        with: config.combine_with,
        source: source?,
        max_entries: limit(config.max_batch_size),
        max_unmatched: limit(config.max_unmatched_batch_size),
        max_sources: config.max_sources.max(1),
        max_bytes: limit(usize::try_from(config.max_log_size.0).unwrap_or(usize::MAX)),
        flush_after: config.force_flush_period,
        base: config.overwrite_with,
    };
    Some(Decoded::new(move || Box::new(run::Recombine::new(settings.clone()))))
}
