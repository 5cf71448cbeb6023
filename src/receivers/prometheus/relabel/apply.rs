//! Running rules over a set of labels.

use std::borrow::Cow;

use md5::{Digest, Md5};

use super::rule::{Action, Rule, is_label_name};
use super::{Label, Labels};

/// Changes `labels` by the rules, in order; false when one of them drops what they belong to.
pub fn apply(rules: &[Rule], labels: &mut Vec<Label<'_>>) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

impl Rule {
    fn apply(&self, labels: &mut Vec<Label<'_>>) -> bool {
        match &self.action {
            Action::Keep => return self.matcher.is_match(&self.joined(labels)),
            Action::Drop => return !self.matcher.is_match(&self.joined(labels)),
            Action::KeepEqual(target) => return self.joined(labels) == labels.value(target),
            Action::DropEqual(target) => return self.joined(labels) != labels.value(target),
            Action::Replace { target, replacement } => self.replace(target, replacement, labels),
            Action::HashMod { target, modulus } => {
                let hash = Md5::digest(self.joined(labels).as_bytes());
                let mut tail = [0; 8];
                tail.copy_from_slice(&hash[8..]);
                let value = (u64::from_be_bytes(tail) % modulus).to_string();
                labels.set(Cow::Owned(target.clone()), Cow::Owned(value));
            }
            Action::LabelMap(replacement) => {
                let mapped: Vec<_> = labels
                    .iter()
                    .filter_map(|label| {
                        let name = self.matcher.expand(&label.name, replacement)?;
                        Some((name, label.value.clone().into_owned()))
                    })
                    .collect();
                for (name, value) in mapped {
                    if is_label_name(&name) {
                        labels.set(Cow::Owned(name), Cow::Owned(value));
                    }
                }
            }
            Action::LabelDrop => labels.retain(|label| !self.matcher.is_match(&label.name)),
            Action::LabelKeep => labels.retain(|label| self.matcher.is_match(&label.name)),
            Action::Lowercase(target) => {
                let value = self.joined(labels).to_lowercase();
                labels.set(Cow::Owned(target.clone()), Cow::Owned(value));
            }
            Action::Uppercase(target) => {
                let value = self.joined(labels).to_uppercase();
                labels.set(Cow::Owned(target.clone()), Cow::Owned(value));
            }
        }
        true
    }

    fn replace(&self, target: &str, replacement: &str, labels: &mut Vec<Label<'_>>) {
        let joined = self.joined(labels);
        let Some(value) = self.matcher.expand(&joined, replacement) else { return };
        let target = if target.contains('$') {
            let Some(target) = self.matcher.expand(&joined, target) else { return };
            target
        } else {
            target.to_owned()
        };
        drop(joined);
        if is_label_name(&target) {
            labels.set(Cow::Owned(target), Cow::Owned(value));
        }
    }

    /// The values of the source labels with the separator between them.
    fn joined<'s>(&self, labels: &'s Vec<Label<'_>>) -> Cow<'s, str> {
        match &self.source[..] {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(labels.value(one)),
            several => {
                let mut joined = String::new();
                for (n, name) in several.iter().enumerate() {
                    if n > 0 {
                        joined.push_str(&self.separator);
                    }
                    joined.push_str(labels.value(name));
                }
                Cow::Owned(joined)
            }
        }
    }
}
