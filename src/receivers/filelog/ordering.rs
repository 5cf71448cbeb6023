//! `ordering_criteria`: which of the found files are read.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::time::SystemTime;

use regex::bytes::{Captures, Regex};

use super::plan::Check;
use super::{Ordering as Config, SortType};

/// The compiled criteria.
#[derive(Debug)]
pub struct Ordering {
    regex: Option<Regex>,
    group_by: Option<Regex>,
    top: usize,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    kind: SortType,
    key: String,
    ascending: bool,
    layout: String,
    zone: jiff::tz::TimeZone,
}

/// What a file is sorted by under one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i128),
    Text(String),
}

impl Ordering {
    pub fn new(config: &Config, check: &mut Check<'_, '_>) -> Option<Self> {
        let path = |key: &str| format!("ordering_criteria::{key}");
        let mut optional = |key: &str, pattern: &str| {
            if pattern.is_empty() { Some(None) } else { check.regex(&path(key), pattern).map(Some) }
        };
        let (regex, group_by) = (optional("regex", &config.regex)?, optional("group_by", &config.group_by)?);
        let mut rules = Vec::new();
        for (place, sort) in config.sort_by.iter().enumerate() {
            let place = path(&format!("sort_by::{place}"));
            if sort.sort_type != SortType::Mtime {
                let Some(regex) = &regex else {
                    check.error(&path("regex"), "must be specified when sort_by uses groups of it");
                    return None;
                };
                if !regex.capture_names().flatten().any(|name| name == sort.regex_key) {
                    let message = format!("the regex has no group called \"{}\"", sort.regex_key);
                    check.error(&format!("{place}::regex_key"), message);
                    return None;
                }
            }
            if sort.sort_type == SortType::Timestamp && sort.layout.is_empty() {
                check.error(&format!("{place}::layout"), "must be specified for a timestamp");
                return None;
            }
            let zone = match sort.location.as_str() {
                "" | "UTC" => jiff::tz::TimeZone::UTC,
                name => check.ok(&format!("{place}::location"), jiff::tz::TimeZone::get(name))?,
            };
            rules.push(Rule {
                kind: sort.sort_type,
                key: sort.regex_key.clone(),
                ascending: sort.ascending,
                layout: sort.layout.clone(),
                zone,
            });
        }
        let top = match config.top_n {
            Some(0) | None if rules.is_empty() => usize::MAX,
            Some(0) | None => 1,
            Some(n) => n as usize,
        };
        Some(Self { regex, group_by, top, rules })
    }

    /// The first files of the order, of each group.
    pub fn select(&self, paths: Vec<PathBuf>) -> Vec<PathBuf> {
        let mut kept: Vec<(Vec<u8>, Vec<Key>, PathBuf)> =
            paths.into_iter().filter_map(|path| self.keys(path)).collect();
        for (place, rule) in self.rules.iter().enumerate().rev() {
            if rule.ascending {
                kept.sort_by(|a, b| a.1[place].cmp(&b.1[place]));
            } else {
                kept.sort_by(|a, b| Reverse(&a.1[place]).cmp(&Reverse(&b.1[place])));
            }
        }
        let mut counts = std::collections::HashMap::new();
        kept.into_iter()
            .filter(|(group, ..)| {
                let count = counts.entry(group.clone()).or_insert(0_usize);
                *count += 1;
                *count <= self.top
            })
            .map(|(.., path)| path)
            .collect()
    }

    fn keys(&self, path: PathBuf) -> Option<(Vec<u8>, Vec<Key>, PathBuf)> {
        let text = path.to_string_lossy().into_owned();
        let captures = match &self.regex {
            Some(regex) => Some(regex.captures(text.as_bytes())?),
            None => None,
        };
        let group = match &self.group_by {
            Some(regex) => {
                let captures = regex.captures(text.as_bytes())?;
                captures.get(1).or(captures.get(0))?.as_bytes().to_vec()
            }
            None => Vec::new(),
        };
        let keys =
            self.rules.iter().map(|rule| rule.key_of(captures.as_ref(), &path)).collect::<Option<_>>()?;
        Some((group, keys, path))
    }
}

impl Rule {
    /// `None` when the file has no such key: it is not read.
    fn key_of(&self, captures: Option<&Captures<'_>>, path: &std::path::Path) -> Option<Key> {
        if self.kind == SortType::Mtime {
            let modified = std::fs::metadata(path).ok()?.modified().ok()?;
            let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            return Some(Key::Number(since.as_nanos() as i128));
        }
        let text = std::str::from_utf8(captures?.name(&self.key)?.as_bytes()).ok()?;
        match self.kind {
            SortType::Numeric => text.parse().ok().map(Key::Number),
            SortType::Alphabetical => Some(Key::Text(text.to_owned())),
            SortType::Timestamp => self.time(text).map(Key::Number),
            SortType::Mtime => None,
        }
    }

    fn time(&self, text: &str) -> Option<i128> {
        let parsed = jiff::fmt::strtime::parse(&self.layout, text).ok()?;
        if let Ok(time) = parsed.to_timestamp() {
            return Some(time.as_nanosecond());
        }
        let date = parsed.to_date().ok()?;
        let time = parsed.to_time().unwrap_or_else(|_| jiff::civil::Time::midnight());
        date.to_datetime(time).to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp().as_nanosecond())
    }
}
