//! The `journald` receiver: reads the binary files of the systemd journal itself, with no
//! `journalctl` in the image. A position is committed when the batch with its entries was
//! acknowledged.
//!
//! ```text
//! places ─► file (objects) ─► journal (all files, in order) ─► filter ─► record ─► operators ─► batch
//!                                     ▲                                                      │
//!                                     └──── position (storage) ◄── trail ◄── ledger ◄── ack ─┘
//! ```

mod engine;
pub mod file;
mod filter;
mod journal;
mod meters;
mod places;
mod plan;
mod position;
mod record;
mod run;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::component::{ReceiverConfig, ReceiverType};
use crate::config::{Decoder, Node};
use crate::pipeline::Signal;

use super::filelog::StartAt;
use super::records::RetryOnFailure;

pub static TYPE: ReceiverType =
    ReceiverType { name: "journald", aliases: &[], signals: &[Signal::Logs], decode };

fn decode(decoder: &mut Decoder<'_>) -> Option<Box<dyn ReceiverConfig>> {
    let config: Config = decoder.decode()?;
    Some(Box::new(plan::Plan::new(config, &mut decoder.issues())?))
}

/// Keys of the `journald` receiver.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory of the journal, instead of the usual two.
    pub directory: Option<PathBuf>,
    /// Files to read, as globs; `directory` wins.
    pub files: Vec<String>,
    /// Where to start without a position in the storage.
    pub start_at: StartAt,
    pub units: Vec<String>,
    pub identifiers: Vec<String>,
    /// The least urgent priority that is read, or a range of them.
    pub priority: String,
    /// Fields and values that entries must have: all of a group, of any group.
    pub matches: Vec<BTreeMap<String, String>>,
    /// A pattern for `MESSAGE`.
    pub grep: String,
    /// Only messages of the kernel since this boot.
    pub dmesg: bool,
    /// The journal namespace: a name, `+name` for it and the default one, `*` for all.
    pub namespace: String,
    /// Fields of 4 KiB and more too.
    pub all: bool,
    /// Journals of all machines that are in the directory.
    pub merge: bool,
    /// A `MESSAGE` that is no UTF-8 becomes text, not a list of numbers.
    pub convert_message_bytes: bool,
    /// The file system of the machine, when that is mounted somewhere.
    pub root_path: PathBuf,
    /// Accepted; no program is run.
    pub journalctl_path: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    pub operators: Vec<Node>,
    /// The storage extension that keeps the position.
    pub storage: Option<String>,
    pub retry_on_failure: RetryOnFailure,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: None,
            files: Vec::new(),
            start_at: StartAt::End,
            units: Vec::new(),
            identifiers: Vec::new(),
            priority: "info".to_owned(),
            matches: Vec::new(),
            grep: String::new(),
            dmesg: false,
            namespace: String::new(),
            all: false,
            merge: false,
            convert_message_bytes: false,
            root_path: PathBuf::new(),
            journalctl_path: None,
            attributes: BTreeMap::new(),
            resource: BTreeMap::new(),
            operators: Vec::new(),
            storage: None,
            retry_on_failure: RetryOnFailure::default(),
        }
    }
}
