//! The content of an open file, plain or compressed.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::Compression;

/// A file system's name of a file, as long as it exists or is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inode {
    pub device: u64,
    pub number: u64,
}

/// What a look at a file shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub inode: Inode,
    pub size: u64,
    /// Nanoseconds since the epoch of the last change of its content.
    pub modified: i128,
    pub links: u64,
}

impl Look {
    /// Looks at what the path leads to; `None` when that is no regular file.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        let metadata = std::fs::metadata(path)?;
        Ok(metadata.is_file().then(|| Self::of(&metadata)))
    }

    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            inode: Inode { device: metadata.dev(), number: metadata.ino() },
            size: metadata.size(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            links: metadata.nlink(),
        }
    }
}

/// An open file. Offsets are those of the text: for a compressed file, of what comes out of it.
pub struct Content {
    file: File,
    gzip: Option<Box<Gzip>>,
}

struct Gzip {
    decoder: MultiGzDecoder<File>,
    /// Decoded bytes that may be asked for again, and where they start.
    kept: Vec<u8>,
    kept_at: u64,
    /// Size of the file when the decoder came to its end.
    finished_at: Option<u64>,
}

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

impl Content {
    /// Opens the file at `path`, which must be a regular one.
    pub fn open(path: &Path, compression: Compression) -> io::Result<Self> {
        // Without NONBLOCK a FIFO of that name would hold the reader for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let gzip = match compression {
            Compression::None => false,
            Compression::Gzip => true,
            Compression::Auto => {
                let mut magic = [0; 2];
                file.read_at(&mut magic, 0)? == 2 && magic == GZIP_MAGIC
            }
        };
        let gzip = if gzip { Some(Box::new(Gzip::new(&file)?)) } else { None };
        Ok(Self { file, gzip })
    }

    pub fn look(&self) -> io::Result<Look> {
        Ok(Look::of(&self.file.metadata()?))
    }

    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    pub fn is_compressed(&self) -> bool {
        self.gzip.is_some()
    }

    /// The path by which the kernel knows the file now; `None` when it was deleted.
    pub fn place(&self) -> Option<PathBuf> {
        use std::os::fd::AsRawFd;
        let link = std::fs::read_link(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()?;
        let look = self.look().ok()?;
        (look.links > 0).then_some(link)
    }

    /// Reads at `offset`; fewer bytes than `buf` holds mean the end of the file.
    pub fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.gzip {
            None => read_plain(&self.file, offset, buf),
            Some(gzip) => gzip.read_at(&self.file, offset, buf),
        }
    }

    /// The first bytes, at most `len`.
    pub fn head(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; len];
        let read = self.read_at(0, &mut head)?;
        head.truncate(read);
        Ok(head)
    }

    /// The length of the text now. Decodes a compressed file to its end.
    pub fn len(&mut self) -> io::Result<u64> {
        match &mut self.gzip {
            None => Ok(self.file.metadata()?.size()),
            Some(gzip) => gzip.len(&self.file),
        }
    }

    /// Takes a shared lock; false when somebody else has the file locked.
    pub fn lock(&self) -> bool {
        rustix::fs::flock(&self.file, rustix::fs::FlockOperation::NonBlockingLockShared).is_ok()
    }

    pub fn unlock(&self) {
        // A lock that cannot be given back goes with the descriptor.
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
    }
}

fn read_plain(file: &File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<usize> {
    let wanted = buf.len();
    while !buf.is_empty() {
        match file.read_at(buf, offset) {
            Ok(0) => break,
            Ok(read) => {
                offset += read as u64;
                buf = &mut buf[read..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wanted - buf.len())
}

impl Gzip {
    fn new(file: &File) -> io::Result<Self> {
        use std::io::Seek;
        let mut copy = file.try_clone()?;
        copy.rewind()?;
        Ok(Self { decoder: MultiGzDecoder::new(copy), kept: Vec::new(), kept_at: 0, finished_at: None })
    }

    fn read_at(&mut self, file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let grown = self.finished_at.is_some_and(|size| file.metadata().is_ok_and(|m| m.size() != size));
        if offset < self.kept_at || grown {
            *self = Self::new(file)?;
        }
        self.skip_to(offset)?;
        while self.kept.len() < buf.len() && self.decode(file, buf.len())? {}
        let ready = self.kept.len().min(buf.len());
        buf[..ready].copy_from_slice(&self.kept[..ready]);
        Ok(ready)
    }

    fn len(&mut self, file: &File) -> io::Result<u64> {
        loop {
            self.skip_to(self.kept_at + self.kept.len() as u64)?;
            if !self.decode(file, 64 << 10)? {
                return Ok(self.kept_at + self.kept.len() as u64);
            }
        }
    }

    /// Lets go of what lies before `offset`, decoding up to it.
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let ahead = offset - self.kept_at;
        if ahead <= self.kept.len() as u64 {
            self.kept.drain(..ahead as usize);
        } else {
            let missing = ahead - self.kept.len() as u64;
            self.kept.clear();
            let skipped = io::copy(&mut (&mut self.decoder).take(missing), &mut io::sink())?;
            if skipped < missing {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the compressed file became shorter",
                ));
            }
        }
        self.kept_at = offset;
        Ok(())
    }

    /// Decodes up to `step` bytes more; false at the end.
    fn decode(&mut self, file: &File, step: usize) -> io::Result<bool> {
        let from = self.kept.len();
        self.kept.resize(from + step, 0);
        let read = match self.decoder.read(&mut self.kept[from..]) {
            // A member that is still being written: its end comes later.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        };
        self.kept.truncate(from + *read.as_ref().unwrap_or(&0));
        let more = read? > 0;
        if !more {
            self.finished_at = Some(file.metadata()?.size());
        }
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_file_is_read_by_offsets_of_its_text_and_goes_on_with_appended_members() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&gzip(b"hello world")).unwrap();
        let mut content = Content::open(file.path(), Compression::Auto).unwrap();
        assert!(content.is_compressed());
        let mut buf = [0; 5];
        for (offset, want) in [(0, &b"hello"[..]), (6, b"world"), (2, b"llo w"), (9, b"ld"), (11, b"")] {
            let read = content.read_at(offset, &mut buf).unwrap();
            assert_eq!(&buf[..read], want, "at {offset}");
        }
        file.write_all(&gzip(b" and more")).unwrap();
        let read = content.read_at(11, &mut buf).unwrap();
        assert_eq!(&buf[..read], b" and ");
        assert_eq!(content.len().unwrap(), 20);
        assert!(content.read_at(100, &mut buf).is_err());
    }

    #[test]
    fn a_directory_and_a_fifo_are_no_content() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Content::open(dir.path(), Compression::None).is_err());
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(Content::open(&fifo, Compression::None).is_err());
    }

    #[test]
    fn an_open_file_knows_its_new_name_and_that_it_was_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("0.log"), dir.path().join("0.log.1"));
        std::fs::write(&old, "x").unwrap();
        let content = Content::open(&old, Compression::None).unwrap();
        std::fs::rename(&old, &new).unwrap();
        assert_eq!(content.place(), Some(new.canonicalize().unwrap()));
        std::fs::remove_file(&new).unwrap();
        assert_eq!(content.place(), None);
    }
}
