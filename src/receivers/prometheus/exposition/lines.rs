//! A stream, cut into lines.

use std::io::{ErrorKind, Read};

use super::ExpositionError;

/// Bytes of a line that are taken at most: a series with all its labels, or a help text.
pub const LONGEST_LINE: usize = 1 << 20;
const FIRST_BUFFER: usize = 64 << 10;

/// Reads lines from a stream; memory is one buffer, whatever the length of the stream.
pub struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is unread.
    start: usize,
    end: usize,
    /// How far behind `start` was looked for a line's end in vain.
    searched: usize,
    ended: bool,
    /// Bytes read, and how many may be; 0 = no limit.
    total: u64,
    limit: u64,
    line: u64,
}

impl<R: Read> Lines<R> {
    pub fn new(source: R, limit: u64) -> Self {
        Self {
            source,
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
            searched: 0,
            ended: false,
            total: 0,
            limit,
            line: 0,
        }
    }

    /// Bytes read so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Number of the line that was handed out last, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next line, without its end; `None` after the last.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, ExpositionError> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', &unread[self.searched..]) {
                let (from, to) = (self.start, self.start + self.searched + at);
                self.start = to + 1;
                self.searched = 0;
                self.line += 1;
                return Ok(Some(trim_return(&self.buffer[from..to])));
            }
            self.searched = unread.len();
            if self.ended {
                if unread.is_empty() {
                    return Ok(None);
                }
                let (from, to) = (self.start, self.end);
                self.start = to;
                self.searched = 0;
                self.line += 1;
                return Ok(Some(trim_return(&self.buffer[from..to])));
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), ExpositionError> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= LONGEST_LINE {
                return Err(ExpositionError::LongLine { line: self.line + 1, limit: LONGEST_LINE });
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result.map_err(ExpositionError::Cut)?,
            }
        };
        self.ended = read == 0;
        self.end += read;
        self.total += read as u64;
        if self.limit > 0 && self.total > self.limit {
            return Err(ExpositionError::TooLarge(self.limit));
        }
        Ok(())
    }
}

fn trim_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
