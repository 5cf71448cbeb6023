//! A few pieces of journal files in memory. They are read, not mapped: a file that becomes shorter,
//! or a disk that fails, is an error here and no signal.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::FileError;
use super::field::Field;

const PAGE: usize = 32 << 10;
const PAGES: usize = 16;
/// Where pages start.
const ALIGN: u64 = 4096;
/// Fields kept decoded: host name, unit, boot id and the like are in nearly every entry.
const FIELDS: usize = 2048;

/// What is kept of all files of a receiver.
#[derive(Default)]
pub struct Cache {
    pages: Vec<Page>,
    next: usize,
    /// For what is larger than a page.
    large: Vec<u8>,
    fields: HashMap<(u32, u64), Arc<Field>>,
}

struct Page {
    file: u32,
    at: u64,
    bytes: Vec<u8>,
}

impl Cache {
    /// Forgets pages: files may have grown. Fields never change.
    pub fn refresh(&mut self) {
        for page in &mut self.pages {
            page.bytes.clear();
        }
        if self.large.capacity() > PAGE {
            self.large = Vec::new();
        }
    }

    pub fn field(&self, file: u32, at: u64) -> Option<Arc<Field>> {
        self.fields.get(&(file, at)).cloned()
    }

    pub fn keep_field(&mut self, file: u32, at: u64, field: Arc<Field>) {
        if self.fields.len() >= FIELDS {
            self.fields.clear();
        }
        self.fields.insert((file, at), field);
    }

    /// The `len` bytes at `at`.
    pub fn bytes(&mut self, id: u32, file: &File, at: u64, len: usize) -> Result<&[u8], FileError> {
        let end = at.checked_add(len as u64).filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or(FileError::Bad("it leads to a place that no file has"))?;
        let start = at - at % ALIGN;
        let skip = (at - start) as usize;
        if skip + len > PAGE {
            self.large.resize(len, 0);
            file.read_exact_at(&mut self.large, at).map_err(FileError::read)?;
            return Ok(&self.large);
        }
        let holds =
            |page: &Page| page.file == id && page.at <= at && end <= page.at + page.bytes.len() as u64;
        let place = match self.pages.iter().position(holds) {
            Some(place) => place,
            None => self.load(id, file, start)?,
        };
        let page = &self.pages[place];
        let from = (at - page.at) as usize;
        page.bytes.get(from..from + len).ok_or(FileError::Bad("it ends in the middle of an object"))
    }

    fn load(&mut self, id: u32, file: &File, at: u64) -> Result<usize, FileError> {
        let place = self.next;
        self.next = (self.next + 1) % PAGES;
        if place == self.pages.len() {
            self.pages.push(Page { file: id, at, bytes: Vec::new() });
        }
        let page = &mut self.pages[place];
        (page.file, page.at) = (id, at);
        page.bytes.resize(PAGE, 0);
        let mut read = 0;
        while read < PAGE {
            match file.read_at(&mut page.bytes[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    page.bytes.clear();
                    return Err(FileError::read(error));
                }
            }
        }
        page.bytes.truncate(read);
        Ok(place)
    }
}
