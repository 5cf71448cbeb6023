//! Which entries are wanted, as `journalctl` would choose them.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};

use super::file::{Field, Head, Id};

/// An entry has to pass all of it.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of each list one way has to match.
    pub conditions: Vec<Vec<Way>>,
    pub grep: Option<Regex>,
    pub boot: Option<Id>,
}

/// Terms that all have to match.
pub type Way = Vec<Term>;

/// A field has one of these values.
#[derive(Clone, Debug)]
pub struct Term {
    field: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    Like(GlobMatcher),
}

impl Term {
    fn is(field: &str, value: &str) -> Self {
        Self { field: field.to_owned(), test: Test::Is(value.to_owned()) }
    }

    fn matches(&self, fields: &[Arc<Field>]) -> bool {
        fields.iter().filter(|field| field.name == self.field).any(|field| match &self.test {
            Test::Is(value) => field.value.bytes() == value.as_bytes(),
            Test::Like(glob) => {
                std::str::from_utf8(field.value.bytes()).is_ok_and(|text| glob.is_match(text))
            }
        })
    }
}

impl Filter {
    pub fn wants(&self, head: &Head, fields: &[Arc<Field>]) -> bool {
        let passes = |ways: &Vec<Way>| ways.iter().any(|way| way.iter().all(|term| term.matches(fields)));
        self.boot.is_none_or(|boot| boot == head.boot)
            && self.conditions.iter().all(passes)
            && self.grep.as_ref().is_none_or(|pattern| {
                fields.iter().any(|field| field.name == "MESSAGE" && pattern.is_match(field.value.bytes()))
            })
    }
}

/// What systemd logs about units besides what they log themselves: coredumps.
const COREDUMP: &str = "fc2e22bc6ee647b6b90729ab34a250b1";
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// Entries of these units and about them.
pub fn units(names: &[String]) -> Result<Vec<Way>, globset::Error> {
    let mut ways = Vec::new();
    for name in names {
        let is_glob = name.contains(['*', '?', '[']);
        let has_suffix = SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        let name = if is_glob || has_suffix { name.clone() } else { format!("{name}.service") };
        let glob = if is_glob { Some(GlobBuilder::new(&name).build()?.compile_matcher()) } else { None };
        let unit = |field: &str| Term {
            field: field.to_owned(),
            test: match &glob {
                Some(glob) => Test::Like(glob.clone()),
                None => Test::Is(name.clone()),
            },
        };
        ways.push(vec![unit("_SYSTEMD_UNIT")]);
        ways.push(vec![Term::is("MESSAGE_ID", COREDUMP), Term::is("_UID", "0"), unit("COREDUMP_UNIT")]);
        ways.push(vec![Term::is("_PID", "1"), unit("UNIT")]);
        ways.push(vec![Term::is("_UID", "0"), unit("OBJECT_SYSTEMD_UNIT")]);
        if name.ends_with(".slice") {
            ways.push(vec![unit("_SYSTEMD_SLICE")]);
        }
    }
    Ok(ways)
}

pub fn any_of(field: &str, values: &[String]) -> Vec<Way> {
    values.iter().map(|value| vec![Term::is(field, value)]).collect()
}

pub fn matches(groups: &[BTreeMap<String, String>]) -> Vec<Way> {
    let way = |group: &BTreeMap<String, String>| {
        group.iter().map(|(field, value)| Term::is(field, value)).collect()
    };
    groups.iter().map(way).collect()
}

const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// `info` is that and everything more urgent; `emerg..err` a range. `None` when it is neither.
pub fn priority(text: &str) -> Option<Vec<Way>> {
    let level = |name: &str| {
        let name = match name {
            "error" => "err",
            "warn" => "warning",
            "panic" => "emerg",
            name => name,
        };
        let by_name = PRIORITIES.iter().position(|known| *known == name);
        by_name.or_else(|| name.parse().ok().filter(|level| *level < 8))
    };
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (level(from)?, level(to)?),
        None => (0, level(text)?),
    };
    let levels: Vec<String> = (from.min(to)..=from.max(to)).map(|level| level.to_string()).collect();
    Some(any_of("PRIORITY", &levels))
}

/// A pattern for `MESSAGE`, which cares for the case of letters when it has capital ones itself.
pub fn grep(pattern: &str) -> Result<Regex, regex::Error> {
    let has_capitals = pattern.chars().any(char::is_uppercase);
    RegexBuilder::new(pattern).case_insensitive(!has_capitals).build()
}
