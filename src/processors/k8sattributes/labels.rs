//! Rules that make attributes of labels and annotations: `extract.labels`, `extract.annotations`.

use std::sync::Arc;

use regex::{Captures, Regex};

use super::config::{ExtractConfig, Origin, RuleConfig};
use crate::kube::objects::{Entity, EntityNeeds};
use crate::kube::{Kept, Keys, kept_value};
use crate::otlp::{Attributes, KeyValue, Str};
use crate::pattern::{PatternError, compile};

/// The rules for one kind of object.
#[derive(Default)]
pub struct ObjectRules {
    labels: Vec<Rule>,
    annotations: Vec<Rule>,
}

/// One rule for labels or annotations.
struct Rule {
    select: Select,
    /// Takes the group `value` out of the value.
    regex: Option<Regex>,
}

enum Select {
    Key {
        key: String,
        attribute: Str,
    },
    /// All keys that match; `template` is expanded, or else the key is appended to `prefix`.
    Pattern {
        pattern: Regex,
        template: Option<String>,
        prefix: String,
    },
}

impl ObjectRules {
    pub fn new(extract: &ExtractConfig, from: Origin) -> Result<Self, PatternError> {
        let all = |rules: &[RuleConfig], kind: Kind| -> Result<Vec<Rule>, PatternError> {
            rules.iter().filter(|rule| rule.from == from).map(|rule| Rule::new(rule, kind)).collect()
        };
        Ok(Self {
            labels: all(&extract.labels, Kind::Label)?,
            annotations: all(&extract.annotations, Kind::Annotation)?,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }

    /// What the objects must keep for these rules.
    pub fn needs(&self) -> EntityNeeds {
        let mut needs = EntityNeeds::default();
        self.labels.iter().for_each(|rule| rule.select.want(&mut needs.labels));
        self.annotations.iter().for_each(|rule| rule.select.want(&mut needs.annotations));
        needs
    }

    /// Adds what the rules find in the labels and annotations of an object.
    pub fn apply(&self, labels: &Kept, annotations: &Kept, out: &mut Vec<KeyValue>) {
        self.labels.iter().for_each(|rule| rule.apply(labels, out));
        self.annotations.iter().for_each(|rule| rule.apply(annotations, out));
    }

    pub fn apply_to(&self, entity: Option<Arc<Entity>>, out: &mut Vec<KeyValue>) {
        if let Some(entity) = entity {
            self.apply(&entity.labels, &entity.annotations, out);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Label,
    Annotation,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Annotation => "annotation",
        }
    }
}

impl Rule {
    fn new(config: &RuleConfig, kind: Kind) -> Result<Self, PatternError> {
        let (object, word) = (config.from.name(), kind.word());
        let select = if config.key_regex.is_empty() {
            let attribute = match &*config.tag_name {
                "" => format!("k8s.{object}.{word}s.{}", config.key).into(),
                name => name.into(),
            };
            Select::Key { key: config.key.clone(), attribute }
        } else {
            let pattern = compile(&format!("^(?:{})$", config.key_regex))?;
            let template =
                (pattern.captures_len() > 1 && !config.tag_name.is_empty()).then(|| config.tag_name.clone());
            // Upstream's own inconsistency: singular for workloads, plural for the others.
            let prefix = match config.from {
                Origin::Pod | Origin::Namespace | Origin::Node => format!("k8s.{object}.{word}s."),
                _ => format!("k8s.{object}.{word}."),
            };
            Select::Pattern { pattern, template, prefix }
        };
        let regex = if config.regex.is_empty() { None } else { Some(compile(&config.regex)?) };
        Ok(Self { select, regex })
    }

    fn apply(&self, pairs: &Kept, out: &mut Vec<KeyValue>) {
        match &self.select {
            Select::Key { key, attribute } => {
                if let Some(value) = kept_value(pairs, key).and_then(|value| self.value(value)) {
                    out.set(attribute.clone(), value);
                }
            }
            Select::Pattern { pattern, template, prefix } => {
                for (key, value) in pairs {
                    let Some(captures) = pattern.captures(key) else { continue };
                    if let Some(value) = self.value(value) {
                        out.set(attribute_name(key, &captures, template.as_deref(), prefix), value);
                    }
                }
            }
        }
    }

    /// The value or the part of it that is wanted; nothing when that is empty.
    fn value<'a>(&self, value: &'a str) -> Option<&'a str> {
        let value = match &self.regex {
            Some(regex) => regex.captures(value)?.name("value")?.as_str(),
            None => value,
        };
        (!value.is_empty()).then_some(value)
    }
}

impl Select {
    fn want(&self, keys: &mut Keys) {
        match self {
            Self::Key { key, .. } => keys.add(key),
            Self::Pattern { pattern, .. } => keys.add_pattern(pattern.clone()),
        }
    }
}

fn attribute_name(key: &str, captures: &Captures<'_>, template: Option<&str>, prefix: &str) -> Str {
    match template {
        Some(template) => {
            let mut name = String::new();
            captures.expand(template, &mut name);
            name.into()
        }
        None => format!("{prefix}{key}").into(),
    }
}
