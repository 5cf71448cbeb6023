//! Content encodings of OTLP over HTTP, both ways.

use std::io::{self, Read, Write};

use flate2::{Compress, Compression, FlushCompress, Status};

/// A way to compress a body, by its name in `Content-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Gzip,
    /// The zlib format, under two names: that is what `deflate` means on the wire.
    Zlib,
    Deflate,
    Zstd,
    /// The block format, as the collector understands the name.
    Snappy,
    SnappyFramed,
    Lz4,
}

impl Codec {
    pub const ALL: [Self; 7] =
        [Self::Gzip, Self::Zlib, Self::Deflate, Self::Zstd, Self::Snappy, Self::SnappyFramed, Self::Lz4];

    /// The name in `Content-Encoding` and in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Lz4 => "lz4",
        }
    }

    /// The codec of that name; names are compared without case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Whether `level` says anything to this codec (0 always does: the default).
    pub fn takes_level(self, level: i32) -> bool {
        level == 0
            || match self {
                Self::Gzip | Self::Zlib | Self::Deflate => (-2..=9).contains(&level),
                Self::Zstd => true,
                Self::Snappy | Self::SnappyFramed | Self::Lz4 => false,
            }
    }
}

/// Level for gzip, zlib and deflate when the user does not choose one.
///
/// Measured with `benches/export.rs` (10,000 container logs, encoding included, one core): level 1
/// 391 MB/s and 98 bytes a record, level 2 243 and 76, level 3 198 and 73, level 6 110 and 68. Beyond
/// 2 every saved byte costs dearly; level 1 makes requests larger by 30 %.
const DEFLATE_LEVEL: u32 = 2;
/// Level for zstd when the user does not choose one: 544 MB/s and 64 bytes a record, against 331 and
/// 67 of level 3, zstd's own default.
const ZSTD_LEVEL: i32 = 1;

/// Compresses one body after another, keeping its state (a few hundred KiB) in between.
pub struct Compressor(State);

enum State {
    Deflate(Compress),
    Zstd(zstd::bulk::Compressor<'static>),
    Snappy(Box<snap::raw::Encoder>),
    SnappyFramed,
    Lz4,
}

impl Compressor {
    /// `level` 0 is the default of the codec; see [`Codec::takes_level`] for what else there is.
    pub fn new(codec: Codec, level: i32) -> io::Result<Self> {
        let deflate = Compression::new(match level {
            0 | -1 => DEFLATE_LEVEL,
            // Go's "Huffman only": the fastest there is here.
            ..=-2 => 1,
            level => (level as u32).min(9),
        });
        Ok(Self(match codec {
            Codec::Gzip => State::Deflate(Compress::new_gzip(deflate, 15)),
            Codec::Zlib | Codec::Deflate => State::Deflate(Compress::new(deflate, true)),
            Codec::Zstd => {
                let level = if level == 0 { ZSTD_LEVEL } else { level };
                State::Zstd(zstd::bulk::Compressor::new(level)?)
            }
            Codec::Snappy => State::Snappy(Box::new(snap::raw::Encoder::new())),
            Codec::SnappyFramed => State::SnappyFramed,
            Codec::Lz4 => State::Lz4,
        }))
    }

    /// [`Compressor::compress`] for an input in pieces, which are not joined first if the codec can
    /// do without.
    pub fn compress_pieces<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        output: &mut Vec<u8>,
    ) -> io::Result<()> {
        let State::Deflate(state) = &mut self.0 else {
            let joined = pieces.collect::<Vec<_>>().concat();
            return self.compress(&joined, output);
        };
        output.clear();
        state.reset();
        for piece in pieces {
            output.reserve(piece.len() / SHRINKS);
            deflate(state, piece, FlushCompress::None, output)?;
        }
        deflate(state, &[], FlushCompress::Finish, output)
    }

    /// Replaces the content of `output` with the compressed `input`.
    pub fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        output.clear();
        match &mut self.0 {
            State::Deflate(state) => {
                state.reset();
                output.reserve(input.len() / SHRINKS + 1024);
                deflate(state, input, FlushCompress::Finish, output)?;
            }
            State::Zstd(state) => {
                output.reserve(zstd::zstd_safe::compress_bound(input.len()));
                state.compress_to_buffer(input, output)?;
            }
            State::Snappy(state) => {
                output.resize(snap::raw::max_compress_len(input.len()), 0);
                let size = state.compress(input, output)?;
                output.truncate(size);
            }
            State::SnappyFramed => {
                let mut encoder = snap::write::FrameEncoder::new(output);
                encoder.write_all(input)?;
                encoder.flush()?;
            }
            State::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(output);
                encoder.write_all(input)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }
}

/// Most telemetry shrinks to this part or less.
const SHRINKS: usize = 8;

/// Appends to `output` what comes out for `input`.
fn deflate(state: &mut Compress, input: &[u8], flush: FlushCompress, output: &mut Vec<u8>) -> io::Result<()> {
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

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

/// Why a body cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    #[error("the decompressed body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body is not valid {}: {error}", codec.name())]
    Invalid { codec: Codec, error: String },
}

/// Decompresses a body from outside: never makes more than `limit` bytes of it.
pub fn decompress(codec: Codec, body: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let guess = body.len().saturating_mul(SHRINKS);
    match codec {
        Codec::Gzip => read(codec, flate2::bufread::MultiGzDecoder::new(body), guess, limit),
        Codec::Zlib | Codec::Deflate => read(codec, flate2::bufread::ZlibDecoder::new(body), guess, limit),
        Codec::Zstd => {
            let invalid = |error: io::Error| DecompressError::Invalid { codec, error: error.to_string() };
            let mut decoder = zstd::stream::read::Decoder::new(body).map_err(invalid)?;
            // A frame that asks for a larger window than it can fill asks for memory alone.
            decoder.window_log_max(27).map_err(invalid)?;
            read(codec, decoder, guess, limit)
        }
        Codec::Snappy => {
            let invalid = |error: snap::Error| DecompressError::Invalid { codec, error: error.to_string() };
            let size = snap::raw::decompress_len(body).map_err(invalid)?;
            if size > limit {
                return Err(DecompressError::TooLarge { limit });
            }
            snap::raw::Decoder::new().decompress_vec(body).map_err(invalid)
        }
        Codec::SnappyFramed => read(codec, snap::read::FrameDecoder::new(body), guess, limit),
        Codec::Lz4 => read(codec, lz4_flex::frame::FrameDecoder::new(body), guess, limit),
    }
}

fn read(codec: Codec, reader: impl Read, guess: usize, limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut output = Vec::with_capacity(guess.min(limit));
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut output)
        .map_err(|error| DecompressError::Invalid { codec, error: error.to_string() })?;
    if output.len() > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cve_2024_36129_a_bomb_in_any_codec_stops_at_the_limit() {
        for codec in Codec::ALL {
            let mut bomb = Vec::new();
            Compressor::new(codec, 0).unwrap().compress(&vec![0; 16 << 20], &mut bomb).unwrap();
            assert!(bomb.len() < 1 << 20, "{codec:?}: {}", bomb.len());
            let result = decompress(codec, &bomb, 1 << 20);
            assert!(matches!(result, Err(DecompressError::TooLarge { .. })), "{codec:?}: {result:?}");
        }
    }

    #[test]
    fn state_that_is_used_again_gives_the_same_bytes() {
        for codec in Codec::ALL {
            let (mut first, mut second, mut other) = (Vec::new(), Vec::new(), Vec::new());
            let mut compressor = Compressor::new(codec, 0).unwrap();
            let text = "telemetry ".repeat(5000);
            compressor.compress(text.as_bytes(), &mut first).unwrap();
            compressor.compress(b"", &mut other).unwrap();
            assert!(decompress(codec, &other, 100).unwrap().is_empty(), "{codec:?}");
            compressor.compress(text.as_bytes(), &mut second).unwrap();
            assert_eq!(first, second, "{codec:?}");
        }
    }

    proptest! {
        #[test]
        fn every_codec_and_level_gives_the_body_back(
            body in prop::collection::vec(any::<u8>(), 0..3000), level in -2..=9, repeat in 1_usize..20
        ) {
            let body = body.repeat(repeat);
            for codec in Codec::ALL.into_iter().filter(|codec| codec.takes_level(level)) {
                let mut packed = Vec::new();
                Compressor::new(codec, level).unwrap().compress(&body, &mut packed).unwrap();
                prop_assert_eq!(&decompress(codec, &packed, body.len()).unwrap(), &body);
                let mut compressor = Compressor::new(codec, level).unwrap();
                compressor.compress_pieces(body.chunks(700), &mut packed).unwrap();
                prop_assert_eq!(&decompress(codec, &packed, body.len()).unwrap(), &body);
            }
        }

        #[test]
        fn no_body_makes_a_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            for codec in Codec::ALL {
                let _ = decompress(codec, &body, 10_000);
            }
        }
    }
}
