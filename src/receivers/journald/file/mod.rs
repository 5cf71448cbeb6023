//! A journal file, read object by object. Nothing in it is believed: offsets, sizes and chains are
//! checked, and what is broken is an error of its entry or of its file.

mod field;
mod layout;
mod pages;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

pub use field::{Field, MOST, Value};
pub use layout::{Head, Header, Id};
pub use pages::Cache;

use layout::{DATA, ENTRY, ENTRY_ARRAY, HEADER, OBJECT, u32_at, u64_at};

/// Fields of one entry that are read; journald itself takes no more than 1024.
const FIELDS: u64 = 4096;
/// Arrays of entries in one file. They grow by half at least each time.
const ARRAYS: usize = 1 << 16;

/// Why a journal file, or an entry of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    Bad(&'static str),
}

impl FileError {
    fn read(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Bad("it ends in the middle of an object");
        }
        Self::Io(error)
    }
}

/// A file system's name of a file: device and inode.
pub type Inode = (u64, u64);

pub struct JournalFile {
    /// Names it in the cache.
    id: u32,
    file: File,
    inode: Inode,
    header: Header,
    arrays: Vec<Array>,
}

/// A piece of the list of all entries.
#[derive(Clone, Copy)]
struct Array {
    at: u64,
    /// Number of the first entry in it.
    first: u64,
    /// How many fit in it.
    room: u64,
}

impl JournalFile {
    pub fn open(path: &Path, id: u32) -> Result<Self, FileError> {
        // Without NONBLOCK a FIFO of that name would hold the reader for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| FileError::Io(e.into()))?;
        let file = File::from(opened);
        let metadata = file.metadata().map_err(FileError::Io)?;
        if !metadata.is_file() {
            return Err(FileError::Bad("it is no regular file"));
        }
        let inode = (metadata.dev(), metadata.ino());
        let mut opened = Self { id, file, inode, header: Header::default(), arrays: Vec::new() };
        opened.refresh()?;
        Ok(opened)
    }

    pub fn inode(&self) -> Inode {
        self.inode
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the header again: how many entries there are now.
    pub fn refresh(&mut self) -> Result<(), FileError> {
        let mut bytes = [0; HEADER];
        self.file.read_exact_at(&mut bytes, 0).map_err(FileError::read)?;
        self.header = Header::parse(&bytes)?;
        Ok(())
    }

    /// Entry `number` of the file, counted from 0.
    pub fn entry(&mut self, number: u64, cache: &mut Cache) -> Result<Head, FileError> {
        let array = self.array_of(number, cache)?;
        let item = self.header.array_item();
        let at = array.at + OBJECT + 8 + (number - array.first) * item;
        let bytes = cache.bytes(self.id, &self.file, at, item as usize)?;
        let offset = if item == 4 { u64::from(u32_at(bytes, 0)) } else { u64_at(bytes, 0) };
        let (_, size) = self.object(offset, ENTRY, Head::ITEMS, cache)?;
        let bytes = cache.bytes(self.id, &self.file, offset, Head::ITEMS as usize)?;
        let head = Head::parse(bytes, offset, size, &self.header);
        if head.seqnum == 0 {
            return Err(FileError::Bad("an entry has no sequence number"));
        }
        Ok(head)
    }

    /// The first entry for which `is_past` says no; all before it are taken to be past too. Entries
    /// that cannot be read count as new: what was read twice can be told, what was not is lost.
    pub fn seek(&mut self, cache: &mut Cache, mut is_past: impl FnMut(&Head) -> bool) -> u64 {
        let (mut from, mut to) = (0, self.header.entries);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.entry(middle, cache).is_ok_and(|head| is_past(&head)) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// Reads the fields of an entry into `fields`; returns how many could not be read.
    pub fn fields(
        &mut self,
        head: &Head,
        cache: &mut Cache,
        fields: &mut Vec<Arc<Field>>,
    ) -> Result<u64, FileError> {
        let item = self.header.entry_item();
        let items = head.items.min(FIELDS);
        let mut lost = head.items - items;
        for number in 0..items {
            let bytes =
                cache.bytes(self.id, &self.file, head.items_at + number * item, 4.max(item as usize / 2))?;
            let offset = if item == 4 { u64::from(u32_at(bytes, 0)) } else { u64_at(bytes, 0) };
            match self.field(offset, cache) {
                Ok(field) => fields.push(field),
                Err(FileError::Bad(_)) => lost += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(lost)
    }

    fn field(&mut self, offset: u64, cache: &mut Cache) -> Result<Arc<Field>, FileError> {
        if let Some(field) = cache.field(self.id, offset) {
            return Ok(field);
        }
        let start = self.header.payload();
        let (flags, size) = self.object(offset, DATA, start, cache)?;
        let len = (size - start).min(MOST as u64 + 256);
        let payload = cache.bytes(self.id, &self.file, offset + start, len as usize)?;
        let field = Arc::new(Field::parse(payload, flags, len < size - start)?);
        if field.value.bytes().len() <= 256 {
            cache.keep_field(self.id, offset, Arc::clone(&field));
        }
        Ok(field)
    }

    /// Flags and size of the object at `offset`, which must be of that kind and at least so large.
    fn object(
        &mut self,
        offset: u64,
        kind: u8,
        least: u64,
        cache: &mut Cache,
    ) -> Result<(u8, u64), FileError> {
        if offset < self.header.size || !offset.is_multiple_of(8) {
            return Err(FileError::Bad("an offset leads nowhere"));
        }
        let bytes = cache.bytes(self.id, &self.file, offset, OBJECT as usize)?;
        let (found, flags, size) = (bytes[0], bytes[1], u64_at(bytes, 8));
        if found != kind {
            return Err(FileError::Bad("an offset leads to an object of another kind"));
        }
        if size < least || offset.checked_add(size).is_none() {
            return Err(FileError::Bad("an object has an impossible size"));
        }
        Ok((flags, size))
    }

    /// The array that lists entry `number`.
    fn array_of(&mut self, number: u64, cache: &mut Cache) -> Result<Array, FileError> {
        while self.arrays.last().is_none_or(|last| last.first + last.room <= number) {
            let (at, first) = match self.arrays.last() {
                None => (self.header.first_array, 0),
                Some(last) => {
                    let next = u64_at(cache.bytes(self.id, &self.file, last.at + OBJECT, 8)?, 0);
                    if next <= last.at {
                        return Err(FileError::Bad("the list of entries ends early or goes in circles"));
                    }
                    (next, last.first + last.room)
                }
            };
            let (_, size) = self.object(at, ENTRY_ARRAY, OBJECT + 8, cache)?;
            let room = (size - OBJECT - 8) / self.header.array_item();
            if room == 0 || self.arrays.len() == ARRAYS {
                return Err(FileError::Bad("the list of entries is broken"));
            }
            let room = room.min(u64::from(u32::MAX));
            self.arrays.push(Array { at, first, room });
        }
        let place = self.arrays.partition_point(|array| array.first <= number);
        Ok(self.arrays[place - 1])
    }
}
