//! `redaction`: takes out attributes that are not allowed, and masks values that are blocked.

mod database;
mod mask;
mod redact;
mod sql;
mod url;

use serde::Deserialize;

use super::pattern;
use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::config::types::section;
use crate::pipeline::{Batch, Signal};

use database::{DatabaseConfig, DatabaseSanitizer};
use mask::{Hash, Mask};
use redact::{Redactor, Summary};
use url::{UrlConfig, UrlSanitizer};

pub static TYPE: ProcessorType = ProcessorType {
    name: "redaction",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<RedactionConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactionConfig {
    /// Whether keys that are not in `allowed_keys` stay.
    allow_all_keys: bool,
    /// Keys that stay; the others are deleted.
    allowed_keys: Vec<String>,
    /// Keys that are neither deleted nor masked.
    ignored_keys: Vec<String>,
    /// As `ignored_keys`, by regular expression.
    ignored_key_patterns: Vec<String>,
    /// Whether numbers, lists and maps are looked at too, as text.
    redact_all_types: bool,
    /// Regular expressions on keys whose values are masked whole.
    blocked_key_patterns: Vec<String>,
    /// Regular expressions whose matches in values are masked.
    blocked_values: Vec<String>,
    /// Regular expressions on values that are never masked.
    allowed_values: Vec<String>,
    /// `md5`, `sha1`, `sha3`: masks with a hash instead of `****`.
    hash_function: String,
    /// `debug`, `info` or `silent`: what is said about it in attributes.
    summary: String,
    /// Takes what is individual out of URLs.
    #[serde(deserialize_with = "section")]
    url_sanitizer: Option<UrlConfig>,
    /// Takes literals out of database statements.
    #[serde(deserialize_with = "section")]
    db_sanitizer: Option<DatabaseConfig>,
}

impl ProcessorConfig for RedactionConfig {
    fn validate(&self, issues: &mut Issues) {
        for (key, patterns) in [
            ("ignored_key_patterns", &self.ignored_key_patterns),
            ("blocked_key_patterns", &self.blocked_key_patterns),
            ("blocked_values", &self.blocked_values),
            ("allowed_values", &self.allowed_values),
        ] {
            if let Err((index, error)) = pattern::compile_all(patterns) {
                issues.error(&format!("{key}::{index}"), error);
            }
        }
        if let Err(error) = self.hash() {
            issues.error("hash_function", error);
        }
        if let Err(error) = self.summary() {
            issues.error("summary", error);
        }
        if !self.allow_all_keys && self.allowed_keys.is_empty() {
            issues.warn(
                "allowed_keys",
                "is empty: all attributes are deleted; set allow_all_keys to keep them",
            );
        }
    }

    fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let compile =
            |patterns: &[String]| pattern::compile_all(patterns).map_err(|(_, error)| BuildError(error));
        Ok(Box::new(Redaction {
            redactor: Redactor {
                allow_all_keys: self.allow_all_keys,
                allowed_keys: self.allowed_keys.iter().cloned().collect(),
                ignored_keys: self.ignored_keys.iter().cloned().collect(),
                ignored_key_patterns: compile(&self.ignored_key_patterns)?,
                redact_all_types: self.redact_all_types,
                blocked_key_patterns: compile(&self.blocked_key_patterns)?,
                blocked_values: compile(&self.blocked_values)?,
                allowed_values: compile(&self.allowed_values)?,
                mask: self.hash().map_err(BuildError)?,
                summary: self.summary().map_err(BuildError)?,
                urls: self.url_sanitizer.as_ref().and_then(UrlSanitizer::new),
                statements: self.db_sanitizer.as_ref().and_then(DatabaseSanitizer::new),
            },
        }))
    }
}

impl RedactionConfig {
    fn hash(&self) -> Result<Mask, String> {
        match self.hash_function.as_str() {
            "" | "none" => Ok(Mask::Stars),
            "md5" => Ok(Mask::Hash(Hash::Md5)),
            "sha1" => Ok(Mask::Hash(Hash::Sha1)),
            "sha3" => Ok(Mask::Hash(Hash::Sha3)),
            other => Err(format!("\"{other}\" is not known: use md5, sha1 or sha3")),
        }
    }

    fn summary(&self) -> Result<Summary, String> {
        match self.summary.as_str() {
            "" | "silent" => Ok(Summary::Silent),
            "info" => Ok(Summary::Counts),
            "debug" => Ok(Summary::Names),
            other => Err(format!("\"{other}\" is not known: use debug, info or silent")),
        }
    }
}

struct Redaction {
    redactor: Redactor,
}

impl Processor for Redaction {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        self.redactor.redact(batch.data_mut());
        next.send(batch);
    }
}

#[cfg(test)]
mod tests;
