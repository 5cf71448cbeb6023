//! Which objects have been told, by fingerprint.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

use super::position::Saved;
use crate::kube::{Text, list_watch::Change};

/// What identifies an object and its state.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta<'a> {
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub uid: Text<'a>,
    #[serde(borrow)]
    pub resource_version: Text<'a>,
    #[serde(borrow)]
    pub creation_timestamp: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
}

impl<'a> Meta<'a> {
    pub fn read(object: &'a [u8]) -> Result<Self, serde_json::Error> {
        Ok(serde_json::from_slice::<Object>(object)?.metadata)
    }

    /// When it was made, in seconds since the epoch; 0 = unknown.
    pub fn created(&self) -> i64 {
        self.creation_timestamp.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)
    }
}

/// What an object in a list is to the one who reads the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It has been told, or is too old to be.
    Old,
    /// There before anybody looked.
    Initial,
    New(Change),
}

/// An object that is gone without anybody having seen it go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub namespace: Box<str>,
    pub name: Box<str>,
}

/// The objects that are there, as far as they are known.
#[derive(Default)]
pub struct Known {
    objects: HashMap<u64, Entry>,
    list: u32,
    /// All objects are known: a list has been completed.
    complete: bool,
    /// Whether names are kept, to tell of objects that vanish between two lists.
    names: bool,
}

struct Entry {
    /// Of UID and version.
    print: u64,
    list: u32,
    name: Option<Box<Gone>>,
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

impl Known {
    pub fn new(names: bool) -> Self {
        Self { names, ..Self::default() }
    }

    /// Notes an object; whether it was known, and in this state.
    fn note(&mut self, meta: &Meta<'_>) -> (bool, bool) {
        let print = hash(&[&meta.uid, &meta.resource_version]);
        let list = self.list;
        let names = self.names;
        let mut was_known = true;
        let entry = self.objects.entry(hash(&[&meta.namespace, &meta.name])).or_insert_with(|| {
            was_known = false;
            let name = names
                .then(|| Box::new(Gone { namespace: (&*meta.namespace).into(), name: (&*meta.name).into() }));
            Entry { print: !print, list, name }
        });
        entry.list = list;
        let same = entry.print == print;
        entry.print = print;
        (was_known, same)
    }

    /// An event of a watch.
    pub fn changed(&mut self, change: Change, meta: &Meta<'_>) {
        if change == Change::Deleted {
            self.objects.remove(&hash(&[&meta.namespace, &meta.name]));
        } else {
            self.note(meta);
        }
    }

    pub fn list_started(&mut self) {
        self.list += 1;
    }

    /// An object of a list. `position` is how far the logs are, when anything was ever told or passed.
    pub fn listed(&mut self, meta: &Meta<'_>, touched: i64, position: Option<&Saved>) -> Novelty {
        let (was_known, same) = self.note(meta);
        if same {
            return Novelty::Old;
        }
        if was_known {
            return Novelty::New(Change::Modified);
        }
        if self.complete {
            return Novelty::New(Change::Added);
        }
        let Some(position) = position else { return Novelty::Initial };
        let is_new = is_newer(&meta.resource_version, &position.version).unwrap_or(touched >= position.time);
        match is_new {
            false => Novelty::Old,
            true if meta.created() >= position.time => Novelty::New(Change::Added),
            true => Novelty::New(Change::Modified),
        }
    }

    /// Ends a list: what it did not name is gone, and is told when the list before was complete.
    pub fn list_completed(&mut self) -> Vec<Gone> {
        let list = self.list;
        let mut gone = Vec::new();
        self.objects.retain(|_, entry| {
            let keep = entry.list == list;
            if !keep && let Some(name) = entry.name.take() {
                gone.push(*name);
            }
            keep
        });
        self.complete = true;
        gone
    }

    /// The resource is not served any more.
    pub fn vanished(&mut self) {
        self.objects.clear();
    }

    /// Nothing is certain any more but the position.
    pub fn forget(&mut self) {
        self.objects.clear();
        self.complete = false;
    }
}

/// Whether a version is newer than another. Versions of one resource are numbers that grow on
/// every server but exotic ones; of others this cannot be told.
fn is_newer(version: &str, than: &str) -> Option<bool> {
    let number = |text: &str| text.parse::<u128>().ok();
    Some(number(version)? > number(than)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(name: &'static str, version: &'static str) -> Meta<'static> {
        let text = |text: &'static str| Text(text.into());
        Meta {
            namespace: text("shop"),
            name: text(name),
            uid: text(name),
            resource_version: text(version),
            creation_timestamp: text("2026-11-22T13:52:06Z"),
        }
    }

    #[test]
    fn a_second_list_tells_only_what_changed_between() {
        let mut known = Known::new(true);
        known.list_started();
        assert_eq!(known.listed(&meta("a", "1"), 0, None), Novelty::Initial);
        assert_eq!(known.listed(&meta("b", "2"), 0, None), Novelty::Initial);
        assert!(known.list_completed().is_empty());
        known.changed(Change::Modified, &meta("a", "3"));
        known.list_started();
        assert_eq!(known.listed(&meta("a", "3"), 0, None), Novelty::Old);
        assert_eq!(known.listed(&meta("c", "4"), 0, None), Novelty::New(Change::Added));
        let gone = known.list_completed();
        assert_eq!(gone, [Gone { namespace: "shop".into(), name: "b".into() }]);
        known.list_started();
        assert_eq!(known.listed(&meta("c", "5"), 0, None), Novelty::New(Change::Modified));
    }

    #[test]
    fn after_a_definition_was_deleted_and_created_again_all_objects_are_new() {
        let mut known = Known::new(true);
        known.list_started();
        known.listed(&meta("a", "1"), 0, None);
        known.list_completed();
        known.vanished();
        known.list_started();
        assert_eq!(known.listed(&meta("a", "9"), 0, None), Novelty::New(Change::Added));
        assert!(known.list_completed().is_empty());
    }

    #[test]
    fn after_a_restart_the_saved_version_decides_and_where_it_cannot_the_time() {
        let created = "2026-11-22T13:52:06Z".parse::<jiff::Timestamp>().unwrap().as_second();
        for (version, saved, touched, want) in [
            ("9", "10", 0, Novelty::Old),
            ("10", "10", 0, Novelty::Old),
            ("11", "10", 0, Novelty::New(Change::Added)),
            ("v11x", "v10x", created - 1, Novelty::Old),
            ("v11x", "v10x", created, Novelty::New(Change::Added)),
        ] {
            let mut known = Known::new(false);
            known.list_started();
            let saved = Saved { version: saved.to_owned(), time: created };
            let version: &'static str = version;
            assert_eq!(known.listed(&meta("a", version), touched, Some(&saved)), want, "{version}");
        }
    }
}
