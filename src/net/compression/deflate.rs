//! gzip and zlib: with libdeflate for what is in one piece, in steps for what is not.
//!
//! Joining the pieces for libdeflate was tried with `benches/otlp/`: it costs more CPU than the faster
//! compressor saves (12.5 instead of 11.5 % of a core for 100,000 log records/s), and 15 MiB at full load.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::libdeflate::Packer;
pub(super) use super::libdeflate::Wrapping;

/// Level for what is in one piece when the user does not choose one.
///
/// Measured with `benches/export.rs` (10,000 container logs, encoding included, one core): level 1
/// 330 MB/s and 75 bytes a record, level 3 192 and 73, level 6 137 and 70. The level before, in steps:
/// 242 and 76.
const LEVEL: u32 = 1;
/// The same for pieces: 76 bytes a record; level 1 makes requests larger by 30 %.
const LEVEL_IN_STEPS: u32 = 2;
/// Most telemetry shrinks to this part or less.
const SHRINKS: usize = 8;

/// Compresses one body after another. A state is made when it is first needed, and used again.
pub(super) struct Deflate {
    wrapping: Wrapping,
    /// `None` when the user did not choose one.
    level: Option<u32>,
    whole: Option<Packer>,
    in_steps: Option<Compress>,
}

impl Deflate {
    /// `level` is one of those that gzip has in configurations: -2 to 9, 0 for the default.
    pub(super) fn new(wrapping: Wrapping, level: i32) -> Self {
        let level = match level {
            0 | -1 => None,
            // Go's "Huffman only": the fastest there is here.
            ..=-2 => Some(1),
            level => Some((level as u32).min(9)),
        };
        Self { wrapping, level, whole: None, in_steps: None }
    }

    /// Replaces the content of `output` with the compressed `input`.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        let packer = match &mut self.whole {
            Some(packer) => packer,
            none => none.insert(Packer::new(self.wrapping, self.level.unwrap_or(LEVEL))?),
        };
        packer.compress(input, output)
    }

    /// The same for an input in pieces, which are not joined.
    pub(super) fn compress_pieces(&mut self, pieces: &[&[u8]], output: &mut Vec<u8>) -> io::Result<()> {
        if let [piece] = pieces {
            return self.compress(piece, output);
        }
        let level = Compression::new(self.level.unwrap_or(LEVEL_IN_STEPS));
        let state = self.in_steps.get_or_insert_with(|| match self.wrapping {
            Wrapping::Gzip => Compress::new_gzip(level, 15),
            Wrapping::Zlib => Compress::new(level, true),
        });
        output.clear();
        state.reset();
        for piece in pieces {
            output.reserve(piece.len() / SHRINKS);
            step(state, piece, FlushCompress::None, output)?;
        }
        step(state, &[], FlushCompress::Finish, output)
    }
}

/// Appends to `output` what comes out for `input`.
fn step(state: &mut Compress, input: &[u8], flush: FlushCompress, output: &mut Vec<u8>) -> io::Result<()> {
    let start = state.total_in();
    loop {
        let rest = &input[(state.total_in() - start) as usize..];
        let is_last = matches!(flush, FlushCompress::Finish);
        if rest.is_empty() && !is_last {
            return Ok(());
        }
        if state.compress_vec(rest, output, flush)? == Status::StreamEnd {
            return Ok(());
        }
        if output.len() == output.capacity() {
            output.reserve(output.capacity().max(4096));
        }
    }
}
