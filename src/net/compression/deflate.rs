//! gzip and zlib: by what is made for telemetry, unless the user has chosen a level. Then libdeflate does
//! it for what is in one piece, and flate2 in steps for what is not.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::SHRINKS;
use super::libdeflate::Packer;
pub(super) use super::libdeflate::Wrapping;
use super::repeats::Squeezer;

/// Compresses one body after another. A state is made when it is first needed, and used again.
pub(super) struct Deflate {
    wrapping: Wrapping,
    /// `None` for the fastest.
    level: Option<u32>,
    fastest: Option<Box<Squeezer>>,
    whole: Option<Packer>,
    in_steps: Option<Compress>,
}

impl Deflate {
    /// `level` is one of those that gzip has in configurations: -2 to 9, 0 for the default.
    pub(super) fn new(wrapping: Wrapping, level: i32) -> Self {
        let level = (level > 1).then(|| (level as u32).min(9));
        Self { wrapping, level, fastest: None, whole: None, in_steps: None }
    }

    /// Replaces the content of `output` with the compressed `input`.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        self.compress_pieces(&[input], output)
    }

    /// The same for an input in pieces, which are never joined to a whole.
    pub(super) fn compress_pieces(&mut self, pieces: &[&[u8]], output: &mut Vec<u8>) -> io::Result<()> {
        let Some(level) = self.level else {
            let fastest = self.fastest.get_or_insert_with(|| Box::new(Squeezer::new(self.wrapping)));
            fastest.compress(pieces, output);
            return Ok(());
        };
        if let [piece] = pieces {
            let packer = match &mut self.whole {
                Some(packer) => packer,
                none => none.insert(Packer::new(self.wrapping, level)?),
            };
            return packer.compress(piece, output);
        }
        let level = Compression::new(level);
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
