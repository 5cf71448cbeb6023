//! `include` and `exclude` blocks: a list of names, matched strictly or as Go regular expressions.

use std::collections::HashSet;

use regex::Regex;
use serde::Deserialize;

use crate::component::BuildError;
use crate::config::Issues;
use crate::pattern::compile;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    Strict,
    Regexp,
}

/// Settings of upstream's cache of matches; accepted, for there is no such cache here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegexpCache {
    cacheenabled: bool,
    cachemaxnumentries: i64,
}

/// Declares a block whose list of names has a key of its own (`devices`, `interfaces` …).
macro_rules! name_list {
    ($config:ident, $list:ident) => {
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $config {
            $list: Option<Vec<String>>,
            match_type: Option<$crate::receivers::hostmetrics::filter::MatchType>,
            #[serde(rename = "regexp")]
            _regexp: Option<$crate::receivers::hostmetrics::filter::RegexpCache>,
        }

        impl $config {
            pub fn names(&self) -> $crate::receivers::hostmetrics::filter::Names<'_> {
                $crate::receivers::hostmetrics::filter::Names {
                    list: self.$list.as_deref().unwrap_or_default(),
                    match_type: self.match_type,
                }
            }
        }
    };
}
pub(super) use name_list;

/// A block as its user wrote it.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub list: &'a [String],
    pub match_type: Option<MatchType>,
}

impl Names<'_> {
    pub fn validate(self, path: &str, issues: &mut Issues) {
        if self.list.is_empty() {
            return;
        }
        match self.match_type {
            None => issues.error(
                &format!("{path}::match_type"),
                "unrecognized match_type: '': write \"strict\" or \"regexp\"",
            ),
            Some(MatchType::Strict) => {}
            Some(MatchType::Regexp) => {
                for pattern in self.list {
                    if let Err(error) = compile(pattern) {
                        issues.error(path, format!("\"{pattern}\": {error}"));
                    }
                }
            }
        }
    }

    fn matcher(self) -> Result<Option<Matcher>, BuildError> {
        if self.list.is_empty() {
            return Ok(None);
        }
        Ok(Some(match self.match_type {
            Some(MatchType::Regexp) => {
                let patterns = self.list.iter().map(|pattern| compile(pattern)).collect::<Result<_, _>>();
                Matcher::Regexp(patterns.map_err(|error| BuildError::new(error.to_string()))?)
            }
            Some(MatchType::Strict) | None => Matcher::Strict(self.list.iter().cloned().collect()),
        }))
    }
}

enum Matcher {
    Strict(HashSet<String>),
    Regexp(Vec<Regex>),
}

impl Matcher {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Strict(names) => names.contains(name),
            Self::Regexp(patterns) => patterns.iter().any(|pattern| pattern.is_match(name)),
        }
    }
}

/// Which names are wanted: those that `include` matches, all when it is empty, less those that
/// `exclude` matches.
pub struct Filter {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
}

impl Filter {
    pub fn new(include: Names<'_>, exclude: Names<'_>) -> Result<Self, BuildError> {
        Ok(Self { include: include.matcher()?, exclude: exclude.matcher()? })
    }

    pub fn wants(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|include| include.matches(name))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[String], match_type: MatchType) -> Names<'_> {
        Names { list, match_type: Some(match_type) }
    }

    fn regexp(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().is_match(text)
    }

    #[test]
    fn stock_mount_points_that_look_like_globs_keep_their_meaning_as_regular_expressions() {
        assert!(regexp("/dev/*", "/dev"));
        assert!(regexp("/dev/*", "/mnt/devdata"));
        assert!(!regexp("/snap/*", "/data"));
    }

    #[test]
    fn classes_are_ascii_as_in_go() {
        assert!(regexp(r"^\d+$", "12") && !regexp(r"^\d+$", "١٢"));
        assert!(regexp(r"^[\w-]+$", "a-b") && !regexp(r"^[\w-]+$", "é"));
        assert!(regexp(r"a\b", "aé") && regexp(r"^\S$", "é"));
        assert!(regexp(r"^\Qa.b\E$", "a.b") && !regexp(r"^\Qa.b\E$", "axb"));
        assert!(regexp(r"^[[]$", "[") && regexp(r"^[a&&b]$", "&") && regexp(r"^[[:alpha:]]$", "x"));
        assert!(regexp(r"^[]]$", "]"));
    }

    #[test]
    fn exclude_wins_over_include() {
        let (include, exclude) = (["^eth".to_owned()], ["eth1".to_owned()]);
        let filter =
            Filter::new(names(&include, MatchType::Regexp), names(&exclude, MatchType::Strict)).unwrap();
        assert!(filter.wants("eth0") && filter.wants("eth10"));
        assert!(!filter.wants("eth1") && !filter.wants("lo"));
    }
}
