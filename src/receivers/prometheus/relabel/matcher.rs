//! The pattern of a rule: anchored at both ends, and not a regular expression where it need not be.

use std::collections::HashSet;

use crate::ottl::Pattern;

/// What a value is compared with.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// `(.*)`
    Anything,
    /// `a|b|c`
    Texts(HashSet<Box<str>>),
    Pattern(Pattern),
}

impl Matcher {
    pub fn new(text: &str) -> Result<Self, String> {
        // The pattern alone first: what is around it must not mend it.
        Pattern::new(text)?;
        if matches!(text, "(.*)" | ".*") {
            return Ok(Self::Anything);
        }
        let special = |c: char| "\\.+*?()[]{}^$".contains(c);
        if !text.contains(special) {
            return Ok(Self::Texts(text.split('|').map(Into::into).collect()));
        }
        Pattern::new(&format!("^(?s:{text})$")).map(Self::Pattern)
    }

    pub fn is_match(&self, value: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Texts(texts) => texts.contains(value),
            Self::Pattern(pattern) => pattern.is_match(value),
        }
    }

    /// Fills `template` from what matched; `None` when nothing did.
    pub fn expand(&self, value: &str, template: &str) -> Option<String> {
        match self {
            Self::Anything | Self::Texts(_) if !self.is_match(value) => None,
            _ if !template.contains('$') => self.is_match(value).then(|| template.to_owned()),
            Self::Anything if matches!(template, "$1" | "${1}") => Some(value.to_owned()),
            _ => {
                let made;
                let pattern = match self {
                    Self::Pattern(pattern) => pattern,
                    Self::Anything => {
                        made = Pattern::new("^(?s:(.*))$").ok()?;
                        &made
                    }
                    // Groups there are none.
                    Self::Texts(_) => {
                        made = Pattern::new("(?s:.*)").ok()?;
                        &made
                    }
                };
                let captures = pattern.regex().captures(value)?;
                let mut out = String::new();
                pattern.expand(template, &captures, &mut out);
                Some(out)
            }
        }
    }
}
