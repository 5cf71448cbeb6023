//! Writes journal files as journald does, entry by entry, without the hash tables that only
//! searching needs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How long fields are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Lz4,
    Zstd,
}

pub struct Writer {
    file: File,
    pub compact: bool,
    pub codec: Codec,
    pub boot: [u8; 16],
    pub seqnum: u64,
    /// Microseconds.
    pub clock: u64,
    /// A field that the next entry has too.
    pub broken: Option<u64>,
    end: u64,
    entries: u64,
    /// Where the last array is, how many it lists and how many fit.
    array: (u64, u64, u64),
}

const HEADER: u64 = 272;

impl Writer {
    pub fn create(path: &Path, seqnum_id: u8, first: u64) -> Self {
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path).unwrap();
        let writer = Self {
            file,
            compact: false,
            codec: Codec::None,
            boot: [1; 16],
            seqnum: first - 1,
            clock: 1_700_000_000_000_000,
            broken: None,
            end: HEADER,
            entries: 0,
            array: (0, 0, 0),
        };
        let mut header = vec![0; HEADER as usize];
        header[..8].copy_from_slice(b"LPKSHHRH");
        header[16] = 1;
        header[72..88].fill(seqnum_id);
        header[88..96].copy_from_slice(&HEADER.to_le_bytes());
        writer.put(0, &header);
        writer.file.set_len(1 << 20).unwrap();
        writer
    }

    pub fn compact(mut self, codec: Codec) -> Self {
        (self.compact, self.codec) = (true, codec);
        self.put(12, &0b1_1110_u32.to_le_bytes());
        self
    }

    /// Says that nothing will follow.
    pub fn archive(&self) {
        self.put(16, &[2]);
    }

    pub fn message(&mut self, text: &str) -> &mut Self {
        self.entry(&[("MESSAGE", text.as_bytes()), ("PRIORITY", b"6")])
    }

    pub fn entry(&mut self, fields: &[(&str, &[u8])]) -> &mut Self {
        let mut offsets: Vec<u64> = self.broken.take().into_iter().collect();
        for (name, value) in fields {
            let payload = [name.as_bytes(), b"=", value].concat();
            offsets.push(self.field(&payload));
        }
        self.seqnum += 1;
        self.clock += 1000;
        let mut body = Vec::new();
        for number in [self.seqnum, self.clock, self.clock / 2] {
            body.extend(number.to_le_bytes());
        }
        body.extend(self.boot);
        body.extend(self.seqnum.wrapping_mul(77).to_le_bytes());
        for offset in offsets {
            if self.compact {
                body.extend((offset as u32).to_le_bytes());
            } else {
                body.extend(offset.to_le_bytes());
                body.extend(0_u64.to_le_bytes());
            }
        }
        // As journald: the number is in the header before the entry is in the list.
        self.put(160, &self.seqnum.to_le_bytes());
        let offset = self.object(3, 0, &body);
        self.list(offset);
        self.put(152, &self.entries.to_le_bytes());
        self.put(192, &self.clock.to_le_bytes());
        self.put(56, &self.boot);
        self
    }

    fn field(&mut self, payload: &[u8]) -> u64 {
        let (flag, content) = match self.codec {
            _ if payload.len() < 512 => (0, payload.to_vec()),
            Codec::None => (0, payload.to_vec()),
            Codec::Zstd => (4, zstd::bulk::compress(payload, 1).unwrap()),
            Codec::Lz4 => {
                let size = (payload.len() as u64).to_le_bytes();
                (2, [&size[..], &lz4_flex::block::compress(payload)].concat())
            }
        };
        self.raw_field(flag, &content)
    }

    pub fn raw_field(&mut self, flag: u8, content: &[u8]) -> u64 {
        let mut body = vec![0; if self.compact { 56 } else { 48 }];
        body.extend(content);
        self.object(1, flag, &body)
    }

    fn list(&mut self, entry: u64) {
        let item = if self.compact { 4 } else { 8 };
        if self.array.1 == self.array.2 {
            let room = (self.array.2 * 2).max(4);
            let at = self.object(6, 0, &vec![0; (8 + room * item) as usize]);
            let link = if self.array.0 == 0 { 176 } else { self.array.0 + 16 };
            self.put(link, &at.to_le_bytes());
            self.array = (at, 0, room);
        }
        let at = self.array.0 + 24 + self.array.1 * item;
        self.put(at, &entry.to_le_bytes()[..item as usize]);
        self.array.1 += 1;
        self.entries += 1;
    }

    fn object(&mut self, kind: u8, flags: u8, body: &[u8]) -> u64 {
        let at = self.end;
        let size = 16 + body.len() as u64;
        let mut bytes = vec![kind, flags, 0, 0, 0, 0, 0, 0];
        bytes.extend(size.to_le_bytes());
        bytes.extend(body);
        self.put(at, &bytes);
        self.end = (at + size).next_multiple_of(8);
        at
    }

    pub fn put(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).unwrap();
    }
}
