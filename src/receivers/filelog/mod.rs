//! The `filelog` receiver: follows log files over every kind of rotation and sends their lines as
//! log records. An offset is committed when the batch with its lines was acknowledged, never when
//! they are read.
//!
//! ```text
//! find ─► identify ─► read a slice ─► split, decode ─► operators ─► batch ─► pipeline
//! finder   registry     content          split          operators/  outbox      │
//!    ▲                                                                          ▼
//!  watch (inotify)                            checkpoint (storage) ◄── ledger ◄─ ack
//! ```

mod anchor;
mod busy;
mod checkpoint;
mod content;
pub mod encoding;
mod engine;
pub mod entry;
pub mod finder;
mod finish;
pub mod glob;
pub mod handoff;
mod header;
mod labels;
pub mod ledger;
mod links;
mod meters;
pub mod operators;
mod ordering;
pub mod outbox;
mod piece;
pub mod plan;
mod registry;
mod rotation;
mod run;
mod scan;
pub mod split;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::component::{ReceiverConfig, ReceiverType};
use crate::config::types::{ByteSize, duration, section};
use crate::config::{Decoder, Node};
use crate::pipeline::Signal;

use super::records::RetryOnFailure;

pub static TYPE: ReceiverType =
    ReceiverType { name: "filelog", aliases: &["file_log"], signals: &[Signal::Logs], decode };

fn decode(decoder: &mut Decoder<'_>) -> Option<Box<dyn ReceiverConfig>> {
    let config: Config = decoder.decode()?;
    Some(Box::new(plan::Plan::new(config, &mut decoder.issues())?))
}

/// Keys of the `filelog` receiver.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Globs of the files to read.
    pub include: Vec<String>,
    /// Globs of files not to read.
    pub exclude: Vec<String>,
    /// Files that were last changed longer ago are not read; 0 = all are.
    #[serde(deserialize_with = "duration")]
    pub exclude_older_than: Duration,
    /// Where to start in files that are there when the agent sees the paths for the first time.
    pub start_at: StartAt,
    #[serde(deserialize_with = "section")]
    pub multiline: Option<Multiline>,
    /// A last line without its end is sent when nothing is added for this long; 0 = never.
    #[serde(deserialize_with = "duration")]
    pub force_flush_period: Duration,
    pub encoding: String,
    pub preserve_leading_whitespaces: bool,
    pub preserve_trailing_whitespaces: bool,
    pub include_file_name: bool,
    pub include_file_path: bool,
    pub include_file_name_resolved: bool,
    pub include_file_path_resolved: bool,
    pub include_file_owner_name: bool,
    pub include_file_owner_group_name: bool,
    pub include_file_permissions: bool,
    pub include_file_record_number: bool,
    pub include_file_record_offset: bool,
    /// How often files are looked at that the kernel does not report changes of.
    #[serde(deserialize_with = "duration")]
    pub poll_interval: Duration,
    /// How many first bytes of a file identify it.
    pub fingerprint_size: ByteSize,
    /// Accepted; one buffer is shared by all files.
    pub initial_buffer_size: ByteSize,
    pub max_log_size: ByteSize,
    pub max_log_size_behavior: Oversize,
    /// How many files may be open at a time.
    pub max_concurrent_files: u64,
    /// How many times half of `max_concurrent_files` are read per poll; 0 = no limit.
    pub max_batches: u64,
    pub delete_after_read: bool,
    /// Skip files that another process has locked with `flock`.
    pub acquire_fs_lock: bool,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    pub operators: Vec<Node>,
    /// The storage extension that keeps the offsets.
    pub storage: Option<String>,
    #[serde(deserialize_with = "section")]
    pub header: Option<Header>,
    /// How refused batches are sent again. Data is never given up while its file exists.
    pub retry_on_failure: RetryOnFailure,
    #[serde(deserialize_with = "section")]
    pub ordering_criteria: Option<Ordering>,
    pub compression: Compression,
    /// Polls for which files that are gone stay known, beyond the usual ones.
    pub polls_to_archive: u64,
    pub on_truncate: OnTruncate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartAt {
    #[default]
    End,
    Beginning,
}

/// What happens to a record longer than `max_log_size`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oversize {
    /// The rest becomes the next record.
    #[default]
    Split,
    /// The rest is dropped, and counted.
    Truncate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    #[default]
    #[serde(rename = "")]
    None,
    Gzip,
    /// By the first bytes of the file.
    Auto,
}

/// What to do with a file that became shorter, or another one under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTruncate {
    /// Read what is in it now from the beginning.
    #[default]
    ReadWholeFile,
    /// Go on when it is longer than it was.
    Ignore,
    /// Read only what is written from now on.
    ReadNew,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Multiline {
    pub line_start_pattern: String,
    pub line_end_pattern: String,
    /// The matched text is not part of the record.
    pub omit_pattern: bool,
}

/// A header at the beginning of each file, whose fields become attributes of all its records.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    pub pattern: String,
    pub metadata_operators: Vec<Node>,
}

/// Reads only the first files of an order.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ordering {
    /// Names the groups to sort by. Files it does not match are not read.
    pub regex: String,
    /// How many files (of each group) are read.
    pub top_n: Option<u64>,
    /// Its first group is what files are grouped by.
    pub group_by: String,
    pub sort_by: Vec<SortBy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SortBy {
    pub sort_type: SortType,
    pub regex_key: String,
    pub ascending: bool,
    /// strptime layout of a `timestamp`.
    pub layout: String,
    /// IANA time zone of a `timestamp`.
    pub location: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortType {
    #[default]
    Numeric,
    Alphabetical,
    Timestamp,
    Mtime,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            exclude_older_than: Duration::ZERO,
            start_at: StartAt::End,
            multiline: None,
            force_flush_period: Duration::from_millis(500),
            encoding: "utf-8".to_owned(),
            preserve_leading_whitespaces: false,
            preserve_trailing_whitespaces: false,
            include_file_name: true,
            include_file_path: false,
            include_file_name_resolved: false,
            include_file_path_resolved: false,
            include_file_owner_name: false,
            include_file_owner_group_name: false,
            include_file_permissions: false,
            include_file_record_number: false,
            include_file_record_offset: false,
            poll_interval: Duration::from_millis(200),
            fingerprint_size: ByteSize(1000),
            initial_buffer_size: ByteSize(16 << 10),
            max_log_size: ByteSize(1 << 20),
            max_log_size_behavior: Oversize::Split,
            max_concurrent_files: 1024,
            max_batches: 0,
            delete_after_read: false,
            acquire_fs_lock: false,
            attributes: BTreeMap::new(),
            resource: BTreeMap::new(),
            operators: Vec::new(),
            storage: None,
            header: None,
            retry_on_failure: RetryOnFailure::default(),
            ordering_criteria: None,
            compression: Compression::None,
            polls_to_archive: 0,
            on_truncate: OnTruncate::ReadWholeFile,
        }
    }
}
