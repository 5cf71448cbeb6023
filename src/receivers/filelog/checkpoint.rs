//! Offsets on disk: one small value a file, and the list of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::component::StorageClient;
use crate::otlp::{AnyValue, KeyValue};

use super::anchor::{Anchor, Fingerprint};
use super::content::Look;
use super::entry::FileId;
use super::ledger::Mark;

/// Key of the list of files.
const INDEX: &str = "files";

/// What is kept of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The path by which it was found.
    pub path: PathBuf,
    /// Where it was last.
    pub place: PathBuf,
    /// Where it really was under that path.
    pub home: PathBuf,
    pub lineage: u64,
    pub fingerprint: Fingerprint,
    pub look: Look,
    pub offset: u64,
    pub anchor: Option<Anchor>,
    pub records: u64,
    /// Text attributes that came from the header of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header: Vec<(String, String)>,
    #[serde(default)]
    pub in_header: bool,
}

impl Saved {
    pub fn mark(&self) -> Mark {
        Mark { offset: self.offset, anchor: self.anchor, records: self.records }
    }

    pub fn set_mark(&mut self, mark: Mark) {
        (self.offset, self.anchor, self.records) = (mark.offset, mark.anchor, mark.records);
    }
}

/// The offsets of a receiver behind a storage extension. Without one it keeps nothing.
#[derive(Default)]
pub struct Checkpoint {
    client: Option<Box<dyn StorageClient>>,
    files: BTreeMap<FileId, Saved>,
    changed: BTreeSet<FileId>,
    removed: BTreeSet<FileId>,
    /// Writing failed last time.
    failing: bool,
}

impl Checkpoint {
    /// Loads what was saved. An entry that cannot be read is left out, with a warning: its file is
    /// read again.
    pub fn load(client: Box<dyn StorageClient>) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        let index: Vec<FileId> = match client.get(INDEX)? {
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                log::warn!("filelog: the list of checkpoints cannot be read ({error}): starting without");
                Vec::new()
            }),
            None => Vec::new(),
        };
        for id in index {
            match client.get(&key(id))?.map(|bytes| serde_json::from_slice::<Saved>(&bytes)) {
                Some(Ok(saved)) => {
                    files.insert(id, saved);
                }
                Some(Err(error)) => log::warn!("filelog: checkpoint {id} cannot be read ({error}): left out"),
                None => {}
            }
        }
        Ok(Self { client: Some(client), files, ..Self::default() })
    }

    pub fn is_kept(&self) -> bool {
        self.client.is_some()
    }

    pub fn files(&self) -> &BTreeMap<FileId, Saved> {
        &self.files
    }

    /// Notes who the file is. Its offset is kept when it is known already.
    pub fn identify(&mut self, id: FileId, saved: Saved) {
        if self.client.is_some() && self.files.get(&id) != Some(&saved) {
            self.files.insert(id, saved);
            self.changed.insert(id);
            self.removed.remove(&id);
        }
    }

    /// Notes up to where the file was acknowledged.
    pub fn commit(&mut self, id: FileId, mark: Mark) {
        if let Some(saved) = self.files.get_mut(&id) {
            saved.set_mark(mark);
            self.changed.insert(id);
        }
    }

    pub fn forget(&mut self, id: FileId) {
        if self.files.remove(&id).is_some() {
            self.changed.remove(&id);
            self.removed.insert(id);
        }
    }

    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty() || !self.removed.is_empty()
    }

    /// Writes what has changed. On an error the agent goes on without, says so once, and tries
    /// everything again next time.
    pub fn save(&mut self) {
        let Some(client) = &mut self.client else { return };
        if self.changed.is_empty() && self.removed.is_empty() {
            return;
        }
        let mut batch: Vec<(String, Option<Vec<u8>>)> =
            self.removed.iter().map(|id| (key(*id), None)).collect();
        for (id, saved) in self.changed.iter().filter_map(|id| Some((id, self.files.get(id)?))) {
            batch.push((key(*id), Some(json(saved))));
        }
        let ids: Vec<FileId> = self.files.keys().copied().collect();
        let index = json(&ids);
        if !self.removed.is_empty() || client.get(INDEX).ok().flatten().as_ref() != Some(&index) {
            batch.push((INDEX.to_owned(), Some(index)));
        }
        match client.write(&batch) {
            Ok(()) => {
                if self.failing {
                    log::info!("filelog: offsets are saved again");
                }
                self.failing = false;
                self.changed.clear();
                self.removed.clear();
            }
            Err(error) => {
                if !self.failing {
                    log::warn!(
                        "filelog: offsets cannot be saved ({error}): the agent goes on, but lines may be sent \
                         twice after a restart; make the storage directory writable"
                    );
                }
                self.failing = true;
            }
        }
    }
}

fn key(id: FileId) -> String {
    format!("file/{id}")
}

/// What is written here always has a JSON form: maps have text keys, numbers are finite.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Header attributes in their saved form.
pub fn save_header(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().filter_map(|a| Some((a.key.to_string(), a.value.as_str()?.to_owned()))).collect()
}

pub fn load_header(saved: &[(String, String)]) -> Vec<KeyValue> {
    saved.iter().map(|(key, value)| KeyValue::new(key.as_str(), AnyValue::from(value.as_str()))).collect()
}
