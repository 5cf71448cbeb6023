//! A rule as it is written, and as it runs.

use serde::Deserialize;

use super::matcher::Matcher;
use crate::config::Issues;

/// One entry of `relabel_configs` or `metric_relabel_configs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelabelConfig {
    pub source_labels: Vec<String>,
    pub separator: Option<String>,
    pub regex: Option<String>,
    pub modulus: u64,
    pub target_label: String,
    pub replacement: Option<String>,
    pub action: Option<String>,
}

/// A rule that is known to make sense.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) source: Vec<String>,
    pub(super) separator: String,
    pub(super) matcher: Matcher,
    pub(super) action: Action,
    /// The pattern as it was written.
    regex: String,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Replace { target: String, replacement: String },
    Keep,
    Drop,
    KeepEqual(String),
    DropEqual(String),
    HashMod { target: String, modulus: u64 },
    LabelMap(String),
    LabelDrop,
    LabelKeep,
    Lowercase(String),
    Uppercase(String),
}

const ACTIONS: &str = "replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, \
                       lowercase, uppercase";

/// Compiles the rules; what is wrong with one goes to `issues` under `path::n`.
pub fn compile(rules: &[RelabelConfig], path: &str, issues: &mut Issues<'_>) -> Vec<Rule> {
    let mut compiled = Vec::with_capacity(rules.len());
    for (n, rule) in rules.iter().enumerate() {
        match rule.compile() {
            Ok(rule) => compiled.push(rule),
            Err((key, message)) => {
                let colons = if key.is_empty() { "" } else { "::" };
                issues.error(&format!("{path}::{n}{colons}{key}"), message);
            }
        }
    }
    compiled
}

impl RelabelConfig {
    fn compile(&self) -> Result<Rule, (&'static str, String)> {
        let name = self.action.as_deref().unwrap_or("replace").to_ascii_lowercase();
        let target = self.target_label.clone();
        if matches!(
            name.as_str(),
            "replace" | "hashmod" | "lowercase" | "uppercase" | "keepequal" | "dropequal"
        ) {
            if target.is_empty() {
                return Err(("", format!("action \"{name}\" needs a \"target_label\"")));
            }
            // A template becomes a name only when it is filled in.
            if !target.contains('$') && !is_label_name(&target) {
                return Err(("target_label", format!("\"{target}\" is no label name")));
            }
        }
        let has = |taken: bool, key: &'static str| {
            taken.then(|| (key, format!("action \"{name}\" takes no \"{key}\"")))
        };
        let not_taken = match name.as_str() {
            "keepequal" | "dropequal" => has(self.regex.is_some(), "regex")
                .or(has(self.modulus > 0, "modulus"))
                .or(has(self.separator.is_some(), "separator"))
                .or(has(self.replacement.is_some(), "replacement")),
            "labeldrop" | "labelkeep" => has(!self.source_labels.is_empty(), "source_labels")
                .or(has(!target.is_empty(), "target_label"))
                .or(has(self.modulus > 0, "modulus"))
                .or(has(self.separator.is_some(), "separator"))
                .or(has(self.replacement.is_some(), "replacement")),
            _ => None,
        };
        if let Some(problem) = not_taken {
            return Err(problem);
        }
        let replacement = self.replacement.clone().unwrap_or_else(|| "$1".to_owned());
        let action = match name.as_str() {
            "replace" => Action::Replace { target, replacement },
            "keep" => Action::Keep,
            "drop" => Action::Drop,
            "keepequal" => Action::KeepEqual(target),
            "dropequal" => Action::DropEqual(target),
            "hashmod" if self.modulus == 0 => {
                return Err(("", "action \"hashmod\" needs a \"modulus\" above zero".to_owned()));
            }
            "hashmod" => Action::HashMod { target, modulus: self.modulus },
            "labelmap" => Action::LabelMap(replacement),
            "labeldrop" => Action::LabelDrop,
            "labelkeep" => Action::LabelKeep,
            "lowercase" => Action::Lowercase(target),
            "uppercase" => Action::Uppercase(target),
            _ => return Err(("action", format!("there is no action \"{name}\": choose from {ACTIONS}"))),
        };
        let regex = self.regex.as_deref().unwrap_or("(.*)");
        Ok(Rule {
            source: self.source_labels.clone(),
            separator: self.separator.clone().unwrap_or_else(|| ";".to_owned()),
            matcher: Matcher::new(regex).map_err(|message| ("regex", message))?,
            action,
            regex: regex.to_owned(),
        })
    }
}

impl Rule {
    /// The labels it reads by name.
    pub fn sources(&self) -> &[String] {
        &self.source
    }

    /// Whether it may read labels whose names begin like this, and which it does not name.
    pub fn may_map(&self, prefix: &str) -> bool {
        if !matches!(self.action, Action::LabelMap(_)) {
            return false;
        }
        let special = |c: char| "\\.+*?()[]{}^$|".contains(c);
        let literal = &self.regex[..self.regex.find(special).unwrap_or(self.regex.len())];
        literal.starts_with(prefix) || prefix.starts_with(literal)
    }
}

/// Any UTF-8 text may be the name of a label.
pub(super) fn is_label_name(name: &str) -> bool {
    !name.is_empty()
}
