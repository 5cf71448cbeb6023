//! From the config to everything checked and compiled that the receiver needs to run.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use crate::component::{BuildError, Context, Receiver, ReceiverConfig, Storage};
use crate::config::{ComponentId, Issues};
use crate::otlp::KeyValue;
use crate::pipeline::Lane;

use super::encoding::Encoding;
use super::glob::{self, Excludes, Pattern};
use super::labels::Labels;
use super::operators::{self, Site};
use super::ordering::Ordering;
use super::run::FilelogReceiver;
use super::split::{Splitter, Trim};
use super::templates::Templates;
use super::{Compression, Config, Multiline, OnTruncate, Oversize, StartAt};

/// The checked config of a receiver.
pub struct Plan {
    pub settings: Arc<Settings>,
    pub storage: Option<ComponentId>,
}

/// What the receiver needs to run.
pub struct Settings {
    pub includes: Vec<Pattern>,
    pub excludes: Excludes,
    pub exclude_older_than: Duration,
    pub ordering: Option<Ordering>,
    pub from_end: bool,
    pub on_truncate: OnTruncate,
    pub splitter: Splitter,
    pub encoding: Encoding,
    pub trim: Trim,
    pub force_flush: Duration,
    pub max_log_size: usize,
    pub truncate: bool,
    pub labels: Labels,
    pub record_number: bool,
    pub record_offset: bool,
    /// Attributes and resource of every record.
    pub attributes: Vec<KeyValue>,
    pub resource: Arc<Vec<KeyValue>>,
    /// Those that depend on the record.
    pub templates: Templates,
    pub poll_interval: Duration,
    pub fingerprint_size: usize,
    pub max_open: usize,
    /// Files read per poll; 0 = all.
    pub max_files: usize,
    pub delete_after_read: bool,
    pub lock: bool,
    pub compression: Compression,
    pub retry: (Duration, Duration),
    pub remembered_polls: u64,
    pub operators: operators::Plan,
    pub header: Option<Header>,
}

/// How the header of a file becomes attributes.
pub struct Header {
    pub pattern: Regex,
    pub operators: operators::Plan,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("includes", &self.settings.includes)
            .field("operators", &self.settings.operators)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl ReceiverConfig for Plan {
    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let storage = storage_of(self.storage.as_ref(), &context)?;
        Ok(Box::new(FilelogReceiver { settings: Arc::clone(&self.settings), storage, context }))
    }
}

/// The storage extension that a receiver names.
pub fn storage_of(
    storage: Option<&ComponentId>,
    context: &Context,
) -> Result<Option<Arc<dyn Storage>>, BuildError> {
    let Some(id) = storage else { return Ok(None) };
    context.host.storage(id).map(Some).ok_or_else(|| {
        BuildError::new(format!(
            "storage: there is no storage extension \"{id}\" in service::extensions: add it there"
        ))
    })
}

/// The lane of a receiver: its batches are delivered in order.
pub fn lane_of(kind: &str, context: &Context) -> Lane {
    let mut hasher = DefaultHasher::new();
    (kind, context.id.to_string()).hash(&mut hasher);
    Lane(hasher.finish())
}

impl Plan {
    /// Checks everything; what is wrong goes to `issues`.
    pub fn new(config: Config, issues: &mut Issues<'_>) -> Option<Self> {
        let mut check = Check { issues, sound: true };
        let labels = Labels::new(&config);
        if config.include.is_empty() {
            check.error("include", "'include' must be specified: list the globs of the files to read");
        }
        let mut includes = Vec::new();
        for (place, text) in config.include.iter().enumerate() {
            includes.extend(check.ok(&format!("include::{place}"), glob::parse(text)).unwrap_or_default());
        }
        let excludes = match Excludes::new(&config.exclude) {
            Ok(excludes) => excludes,
            Err((place, error)) => {
                check.error(&format!("exclude::{place}"), error.to_string());
                Excludes::default()
            }
        };
        let encoding = Encoding::by_name(&config.encoding).unwrap_or_else(|| {
            let message = format!(
                "unsupported encoding '{}': use utf-8, utf-16le, nop or an IANA name",
                config.encoding
            );
            check.error("encoding", message);
            Encoding::Utf8
        });
        check.range("fingerprint_size", config.fingerprint_size.0, 16);
        check.range("max_log_size", config.max_log_size.0, 1);
        check.range("max_concurrent_files", config.max_concurrent_files, 1);
        check.range("initial_buffer_size", config.initial_buffer_size.0, 1);
        if config.poll_interval.is_zero() {
            check.error("poll_interval", "must be greater than 0");
        }
        let from_end = config.start_at == StartAt::End;
        if config.delete_after_read && from_end {
            check.error("delete_after_read", "cannot be used with start_at: end: set start_at: beginning");
        }
        if config.delete_after_read && config.polls_to_archive > 0 {
            check.error("delete_after_read", "cannot be used with polls_to_archive: remove one of them");
        }
        if config.polls_to_archive > 0 && config.storage.is_none() {
            check.error("polls_to_archive", "needs a storage: set it to the id of a storage extension");
        }
        let splitter = splitter(config.multiline.as_ref(), encoding, &mut check);
        let (attributes, resource, templates) = check
            .some(|issues| Templates::compile(&config.attributes, &config.resource, issues))
            .unwrap_or_default();
        let ordering = config.ordering_criteria.as_ref().and_then(|o| Ordering::new(o, &mut check));
        let storage =
            config.storage.as_ref().and_then(|text| check.ok("storage", text.parse::<ComponentId>()));
        let site = Site {
            first: true,
            trim_end: !config.preserve_trailing_whitespaces,
            utf8: encoding == Encoding::Utf8,
        };
        let operators =
            check.some(|issues| operators::Plan::decode(&config.operators, "operators", site, issues));
        let header = config.header.as_ref().and_then(|header| {
            if from_end {
                check.error("header", "cannot be used with start_at: end: set start_at: beginning");
            }
            let pattern = check.regex("header::pattern", &header.pattern);
            if header.pattern.is_empty() {
                check.error(
                    "header::pattern",
                    "must be specified: a regex that matches every line of the header",
                );
            }
            if header.metadata_operators.is_empty() {
                check.error("header::metadata_operators", "at least one operator must be specified");
            }
            let path = "header::metadata_operators";
            let plan =
                check.some(|issues| operators::Plan::decode(&header.metadata_operators, path, site, issues));
            Some(Header { pattern: pattern?, operators: plan? })
        });
        if !check.sound {
            return None;
        }
        let operators = operators?;
        let trim_end = site.trim_end && !operators.takes_raw();
        let max_open = usize::try_from(config.max_concurrent_files).unwrap_or(usize::MAX);
        let settings = Settings {
            includes,
            excludes,
            exclude_older_than: config.exclude_older_than,
            ordering,
            from_end,
            on_truncate: config.on_truncate,
            splitter,
            encoding,
            trim: Trim { start: !config.preserve_leading_whitespaces, end: trim_end, encoding },
            force_flush: config.force_flush_period,
            max_log_size: usize::try_from(config.max_log_size.0).unwrap_or(usize::MAX),
            truncate: config.max_log_size_behavior == Oversize::Truncate,
            labels,
            record_number: config.include_file_record_number,
            record_offset: config.include_file_record_offset,
            attributes,
            resource: Arc::new(resource),
            templates,
            poll_interval: config.poll_interval,
            fingerprint_size: config.fingerprint_size.0.min(1 << 20) as usize,
            max_open,
            max_files: (max_open / 2).max(1).saturating_mul(config.max_batches as usize),
            delete_after_read: config.delete_after_read,
            lock: config.acquire_fs_lock,
            compression: config.compression,
            retry: (config.retry_on_failure.initial_interval, config.retry_on_failure.max_interval),
            remembered_polls: config.polls_to_archive,
            operators,
            header,
        };
        Some(Self { settings: Arc::new(settings), storage })
    }
}

/// Collects what is wrong.
pub struct Check<'a, 'b> {
    pub issues: &'a mut Issues<'b>,
    pub sound: bool,
}

impl<'b> Check<'_, 'b> {
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.sound = false;
        self.issues.error(path, message);
    }

    pub fn ok<T, E: fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(path, error.to_string())).ok()
    }

    pub fn regex(&mut self, path: &str, pattern: &str) -> Option<Regex> {
        let compiled = RegexBuilder::new(pattern).unicode(false).multi_line(true).build();
        // Patterns with letters beyond ASCII need Unicode; classes then match more than upstream's.
        let compiled = compiled.or_else(|_| RegexBuilder::new(pattern).multi_line(true).build());
        self.ok(path, compiled)
    }

    pub fn some<T>(&mut self, decode: impl FnOnce(&mut Issues<'b>) -> Option<T>) -> Option<T> {
        let decoded = decode(self.issues);
        self.sound &= decoded.is_some();
        decoded
    }

    fn range(&mut self, key: &str, value: u64, min: u64) {
        if value < min {
            self.error(key, format!("must be at least {min}"));
        }
    }
}

/// How records are parted.
pub fn splitter(multiline: Option<&Multiline>, encoding: Encoding, check: &mut Check<'_, '_>) -> Splitter {
    let plain = match encoding {
        Encoding::Nop => Splitter::Chunks,
        Encoding::Utf16Le | Encoding::Utf16Be => Splitter::WideLines(encoding),
        _ => Splitter::Lines,
    };
    let Some(multiline) = multiline else { return plain };
    let omit = multiline.omit_pattern;
    let splitter = match (multiline.line_start_pattern.as_str(), multiline.line_end_pattern.as_str()) {
        ("", "") => return plain,
        (start, "") => check
            .regex("multiline::line_start_pattern", start)
            .map(|pattern| Splitter::Start { pattern, omit }),
        ("", end) => {
            check.regex("multiline::line_end_pattern", end).map(|pattern| Splitter::End { pattern, omit })
        }
        _ => {
            check.error("multiline", "only one of line_start_pattern and line_end_pattern can be set");
            None
        }
    };
    splitter.unwrap_or(plain)
}
