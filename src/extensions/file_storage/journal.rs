//! The file of one component: a log of changes, each with its length and checksum, so that a write
//! costs what has changed and an interrupted one is seen and left out.
//!
//! ```text
//! "KMSTORE1"  { length u32, crc32 u32, changes }…      numbers little-endian
//! changes  =  { key length u32, value length + 1 or 0 for a deletion u32, key, value }…
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"KMSTORE1";
/// A frame's length and checksum.
const HEAD: usize = 8;
/// Below this size a file is not compacted.
const SMALL: u64 = 64 << 10;

/// Key and value, or no value for a deletion.
pub type Change = (String, Option<Vec<u8>>);

/// The values of one component and their file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// `None` when the file can only be read.
    file: Option<File>,
    values: BTreeMap<String, Vec<u8>>,
    /// Length of the file.
    len: u64,
    /// Length of the file when it held the values alone.
    live: u64,
    limit: u64,
    fsync: bool,
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Sound,
    /// The last write was interrupted: it is left out.
    Torn,
    /// The file was damaged and moved to this path; what came before the damage is kept.
    Damaged(PathBuf),
}

impl Journal {
    /// Opens or creates the file. `limit` bounds its bytes, 0 = not at all.
    pub fn open(path: &Path, limit: u64, fsync: bool) -> io::Result<(Self, Found)> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let (mut file, writable) = match opened {
            Ok(file) => (file, true),
            // On a volume that cannot be written what is there is still of use.
            Err(error) if path.exists() => (File::open(path).map_err(|_| error)?, false),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (values, sound_len, intact) = replay(&bytes);
        let mut journal = Self {
            path: path.to_owned(),
            file: writable.then_some(file),
            live: live_len(&values),
            values,
            len: sound_len,
            limit,
            fsync,
        };
        let mut found = if sound_len == bytes.len() as u64 { Found::Sound } else { Found::Torn };
        if !intact {
            found = Found::Damaged(journal.put_aside()?);
        } else if found == Found::Torn || bytes.is_empty() {
            journal.compact()?;
        }
        Ok((journal, found))
    }

    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// Writes all changes or, after an error, none.
    pub fn write(&mut self, changes: &[Change]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::ReadOnlyFilesystem.into()) };
        let frame = frame(changes.iter().map(|(key, value)| (key.as_str(), value.as_deref())));
        if self.limit > 0 && self.live + frame.len() as u64 > self.limit {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "max_size of file_storage is reached"));
        }
        file.seek(SeekFrom::Start(self.len))?;
        if let Err(error) =
            file.write_all(&frame).and_then(|()| if self.fsync { file.sync_data() } else { Ok(()) })
        {
            // Half a frame would hide all that is written after it.
            let _ = file.set_len(self.len);
            return Err(error);
        }
        self.len += frame.len() as u64;
        for (key, value) in changes {
            match value {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
        self.live = live_len(&self.values);
        let too_long =
            self.len > SMALL && self.len > self.live * 4 || self.limit > 0 && self.len > self.limit;
        if too_long { self.compact() } else { Ok(()) }
    }

    /// Writes the file anew with the values alone: whole, or not at all.
    pub fn compact(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let temporary = self.path.with_extension("tmp");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        let mut bytes = MAGIC.to_vec();
        if !self.values.is_empty() {
            bytes
                .extend(frame(self.values.iter().map(|(key, value)| (key.as_str(), Some(value.as_slice())))));
        }
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        self.len = bytes.len() as u64;
        self.live = self.len;
        self.file = Some(file);
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<PathBuf> {
        let aside = (0..1000)
            .map(|number| self.path.with_extension(format!("damaged-{number}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| self.path.with_extension("damaged"));
        if self.file.is_some() {
            std::fs::rename(&self.path, &aside)?;
            self.compact()?;
        }
        Ok(aside)
    }
}

/// Bytes of a file with these values alone.
fn live_len(values: &BTreeMap<String, Vec<u8>>) -> u64 {
    let changes: usize = values.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
    (MAGIC.len() + if values.is_empty() { 0 } else { HEAD + changes }) as u64
}

fn frame<'a>(changes: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Vec<u8> {
    let mut frame = vec![0; HEAD];
    for (key, value) in changes {
        frame.extend((key.len() as u32).to_le_bytes());
        frame.extend(value.map_or(0, |value| value.len() as u32 + 1).to_le_bytes());
        frame.extend(key.as_bytes());
        frame.extend(value.unwrap_or_default());
    }
    let (len, crc) = ((frame.len() - HEAD) as u32, crc32fast::hash(&frame[HEAD..]));
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..HEAD].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// The values in a file, how much of it is sound, and whether the rest is no more than a write
/// that was interrupted.
fn replay(bytes: &[u8]) -> (BTreeMap<String, Vec<u8>>, u64, bool) {
    let mut values = BTreeMap::new();
    if bytes.len() < MAGIC.len() {
        return (values, 0, MAGIC.starts_with(bytes));
    }
    if !bytes.starts_with(MAGIC) {
        return (values, 0, false);
    }
    let mut at = MAGIC.len();
    while let Some(head) = bytes.get(at..at + HEAD) {
        let (len, crc) = (number(head) as usize, number(&head[4..]));
        let Some(payload) = bytes[at + HEAD..].get(..len) else { break };
        let end = at + HEAD + len;
        let changes = if crc32fast::hash(payload) == crc { parse(payload) } else { None };
        let Some(changes) = changes else {
            // The last frame may be half on disk; before that it is damage.
            return (values, at as u64, end == bytes.len());
        };
        for (key, value) in changes {
            match value {
                Some(value) => values.insert(key, value),
                None => values.remove(&key),
            };
        }
        at = end;
    }
    (values, at as u64, true)
}

fn parse(mut payload: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while !payload.is_empty() {
        let head = payload.get(..8)?;
        let (key_len, value_len) = (number(head) as usize, number(&head[4..]) as usize);
        let rest = &payload[8..];
        let key = std::str::from_utf8(rest.get(..key_len)?).ok()?.to_owned();
        let value = match value_len {
            0 => None,
            len => Some(rest[key_len..].get(..len - 1)?.to_vec()),
        };
        payload = &rest[key_len + value.as_ref().map_or(0, Vec::len)..];
        changes.push((key, value));
    }
    Some(changes)
}

/// The little-endian number at the start of at least four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(key: &str, value: &str) -> Change {
        (key.to_owned(), Some(value.as_bytes().to_vec()))
    }

    fn open(path: &Path) -> (Journal, Found) {
        Journal::open(path, 0, false).unwrap()
    }

    #[test]
    fn values_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut journal, found) = open(&path);
        assert_eq!(found, Found::Sound);
        journal.write(&[set("one", "1"), set("two", "2"), set("empty", "")]).unwrap();
        journal.write(&[("two".to_owned(), None), set("one", "11")]).unwrap();
        drop(journal);
        let (journal, found) = open(&path);
        assert_eq!(found, Found::Sound);
        let get = |key| journal.get(key);
        assert_eq!((get("one"), get("two"), get("empty")), (Some(&b"11"[..]), None, Some(&b""[..])));
    }

    #[test]
    fn rotation_15_a_write_cut_at_any_byte_leaves_what_was_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut journal, _) = open(&path);
        let mut ends = vec![journal.len];
        for n in 0..5 {
            journal.write(&[set("offset", &n.to_string()), set(&format!("file/{n}"), "x")]).unwrap();
            ends.push(journal.len);
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, journal.len);
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, found) = open(&path);
            let writes = ends.iter().filter(|end| **end <= cut as u64).count();
            let want = writes.checked_sub(2).map(|n| n.to_string().into_bytes());
            assert_eq!(journal.get("offset"), want.as_deref(), "cut at {cut}");
            assert!(!matches!(found, Found::Damaged(_)), "cut at {cut}: {found:?}");
            journal.write(&[set("offset", "new")]).unwrap();
            assert_eq!(open(&path).0.get("offset"), Some(&b"new"[..]), "cut at {cut}");
        }
    }

    #[test]
    fn contrib_35899_a_damaged_file_is_moved_aside_and_the_agent_starts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut journal, _) = open(&path);
        journal.write(&[set("early", "kept")]).unwrap();
        let middle = journal.len as usize + 12;
        journal.write(&[set("late", "x")]).unwrap();
        journal.write(&[set("last", "x")]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[middle] ^= 0xFF;
        std::fs::write(&path, &bytes).unwrap();
        let (journal, found) = open(&path);
        let Found::Damaged(aside) = found else { panic!("{found:?}") };
        assert_eq!(std::fs::read(aside).unwrap(), bytes);
        assert_eq!((journal.get("early"), journal.get("last")), (Some(&b"kept"[..]), None));
        assert_eq!(open(&path).1, Found::Sound);
    }

    #[test]
    fn a_file_full_of_old_values_is_compacted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let (mut journal, _) = open(&path);
        for n in 0..20_000 {
            journal.write(&[set("offset", &n.to_string())]).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() <= SMALL + 100);
        assert_eq!(open(&path).0.get("offset"), Some(&b"19999"[..]));
    }

    #[test]
    fn max_size_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(&dir.path().join("a"), 1000, true).unwrap();
        for n in 0..100 {
            journal.write(&[set("a", &"x".repeat(n))]).unwrap();
        }
        let error = journal.write(&[set("b", &"x".repeat(1000))]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        journal.write(&[("a".to_owned(), None)]).unwrap();
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), sound in any::<bool>()) {
            let mut file = if sound { MAGIC.to_vec() } else { Vec::new() };
            file.extend(bytes);
            let _ = replay(&file);
            let _ = parse(&file);
        }
    }
}
