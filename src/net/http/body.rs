//! Reading a body, of known length or in chunks, up to a limit.

use std::io;
use std::time::{Duration, Instant};

use super::head::Framing;
use super::{Limits, SLOWEST, Service};
use crate::net::event_loop::Socket;

/// Most bytes asked of the kernel at a time.
const PIECE: usize = 64 << 10;
/// A body with no more to come gets its room at once: what is not written costs no memory.
const EXACT: usize = 1 << 20;
/// A chunk's size line, and the trailer section as a whole.
const MOST_LINE: usize = 1 << 10;
const MOST_TRAILER: usize = 8 << 10;

/// Why there is no body. The connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
    /// All connections together hold as much as they may.
    #[error("too much is being received: try again later")]
    NoRoom,
    #[error("the body could not be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A body being read; gives its reservation back when dropped.
pub(super) struct Reading<'a> {
    socket: &'a mut Socket,
    /// Bytes that arrived and are not taken yet.
    buffer: &'a mut Vec<u8>,
    service: &'a dyn Service,
    limits: &'a Limits,
    limit: usize,
    started: Instant,
    body: Vec<u8>,
    reserved: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        socket: &'a mut Socket,
        buffer: &'a mut Vec<u8>,
        service: &'a dyn Service,
        limits: &'a Limits,
        limit: usize,
    ) -> Self {
        let started = Instant::now();
        Self { socket, buffer, service, limits, limit, started, body: Vec::new(), reserved: 0 }
    }

    /// Reads the whole body, and says how many bytes stay reserved for it.
    pub(super) async fn run(mut self, framing: Framing) -> Result<(Vec<u8>, usize), BodyError> {
        match framing {
            Framing::Length(length) => self.take(length).await?,
            Framing::Chunked => self.chunks().await?,
        }
        let reserved = std::mem::take(&mut self.reserved);
        Ok((std::mem::take(&mut self.body), reserved))
    }

    async fn chunks(&mut self) -> Result<(), BodyError> {
        loop {
            let line = self.line(MOST_LINE).await?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            if size.is_empty() || size.len() > 8 || !size.iter().all(u8::is_ascii_hexdigit) {
                return Err(BodyError::Malformed("bad chunk size"));
            }
            let size = std::str::from_utf8(size).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            match size.ok_or(BodyError::Malformed("bad chunk size"))? {
                0 => break,
                size => self.take(size).await?,
            }
            if !self.line(2).await?.is_empty() {
                return Err(BodyError::Malformed("a chunk does not end where it says"));
            }
        }
        let mut left = MOST_TRAILER;
        loop {
            let line = self.line(left).await?;
            if line.is_empty() {
                return Ok(());
            }
            left = left.saturating_sub(line.len() + 2);
        }
    }

    /// Takes `length` bytes into the body.
    async fn take(&mut self, length: usize) -> Result<(), BodyError> {
        if length > self.limit - self.body.len() {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        let mut left = length;
        let here = left.min(self.buffer.len());
        self.reserve(here)?;
        self.body.extend(self.buffer.drain(..here));
        left -= here;
        while left > 0 {
            // Room grows with what has come, not with what was announced.
            let piece = left.min(PIECE).min(self.body.len().max(16 << 10));
            if left <= EXACT {
                self.body.reserve_exact(left);
            }
            self.reserve(piece)?;
            self.set_deadline();
            let n = self.socket.read_some(&mut self.body, piece).await?;
            self.reserved -= piece - n;
            self.service.reserve(-((piece - n) as isize));
            if n == 0 {
                return Err(BodyError::Malformed("it ends too early"));
            }
            left -= n;
        }
        Ok(())
    }

    /// The next line without its end.
    async fn line(&mut self, most: usize) -> Result<Vec<u8>, BodyError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', self.buffer) {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.pop_if(|last| *last == b'\r').is_none() {
                    return Err(BodyError::Malformed("a line ends without a carriage return"));
                }
                return Ok(line);
            }
            if self.buffer.len() > most {
                return Err(BodyError::Malformed("a line is too long"));
            }
            self.set_deadline();
            if self.socket.read_some(self.buffer, 4 << 10).await? == 0 {
                return Err(BodyError::Malformed("it ends too early"));
            }
        }
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), BodyError> {
        if !self.service.reserve(bytes as isize) {
            return Err(BodyError::NoRoom);
        }
        self.reserved += bytes;
        Ok(())
    }

    /// A body may be slow, but not slower than the slowest.
    fn set_deadline(&mut self) {
        let earned = Duration::from_millis((self.body.len() * 1000 / SLOWEST) as u64);
        self.socket.set_deadline(Some(self.started + self.limits.body_time + earned));
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.service.reserve(-(self.reserved as isize));
    }
}
