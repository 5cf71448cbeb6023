//! Messages on a stream: a flag, a length, and the bytes, maybe compressed.

use bytes::Bytes;

use crate::net::compression::{Codec, Compressor, DecompressError, decompress};

use super::{Code, Status};

/// The flag and the length.
pub const PREFIX: usize = 5;
/// What `grpc-accept-encoding` says.
pub const ACCEPTED: &str = "gzip,snappy,zstd";

/// The codec of a `grpc-encoding`; `Some(None)` for `identity`.
pub fn codec(name: &str) -> Option<Option<Codec>> {
    match name {
        "" | "identity" => Some(None),
        "gzip" => Some(Some(Codec::Gzip)),
        // On this protocol the name means the framed format.
        "snappy" => Some(Some(Codec::SnappyFramed)),
        "zstd" => Some(Some(Codec::Zstd)),
        _ => None,
    }
}

/// A message to send.
pub fn framed(body: &[u8], compressed: bool) -> Vec<u8> {
    let mut message = Vec::with_capacity(PREFIX + body.len());
    message.push(u8::from(compressed));
    message.extend_from_slice(&(body.len() as u32).to_be_bytes());
    message.extend_from_slice(body);
    message
}

/// A message to send, compressed.
pub fn packed(body: &[u8], compressor: &mut Compressor) -> std::io::Result<Vec<u8>> {
    let mut small = Vec::new();
    compressor.compress(body, &mut small)?;
    Ok(framed(&small, true))
}

/// The length that a prefix announces, checked against `limit` before anything is read for it.
pub fn announced(prefix: [u8; PREFIX], limit: usize) -> Result<usize, Status> {
    let [flag, length @ ..] = prefix;
    if flag > 1 {
        return Err(Status::new(Code::Internal, "a message has an unknown flag"));
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        let text = format!("received message larger than max ({length} vs. {limit})");
        return Err(Status::new(Code::ResourceExhausted, text));
    }
    Ok(length)
}

/// The one message of a unary call, from all the bytes of its stream.
pub fn opened(stream: Vec<u8>, codec: Option<Codec>, limit: usize) -> Result<Opened, Status> {
    let Some(prefix) = stream.first_chunk::<PREFIX>() else {
        return Err(Status::new(Code::Internal, "the stream ended before a message"));
    };
    let length = announced(*prefix, limit)?;
    if stream.len() != PREFIX + length {
        return Err(Status::new(Code::Internal, "the stream is not one message"));
    }
    if prefix[0] == 0 {
        return Ok(Opened::Plain(stream));
    }
    let Some(codec) = codec else {
        return Err(Status::new(
            Code::Internal,
            "a message is compressed and grpc-encoding does not say how",
        ));
    };
    match decompress(codec, &stream[PREFIX..], limit) {
        Ok(body) => Ok(Opened::Unpacked(body)),
        Err(error @ DecompressError::TooLarge { .. }) => {
            Err(Status::new(Code::ResourceExhausted, error.to_string()))
        }
        Err(error) => Err(Status::new(Code::Internal, error.to_string())),
    }
}

/// A message without its prefix and compression.
pub enum Opened {
    /// The bytes of the stream, prefix included.
    Plain(Vec<u8>),
    Unpacked(Vec<u8>),
}

impl Opened {
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Plain(stream) => &stream[PREFIX..],
            Self::Unpacked(body) => body,
        }
    }

    /// The same to keep, in no more memory than it takes.
    pub fn into_body(self) -> Bytes {
        let (start, mut bytes) = match self {
            Self::Plain(stream) => (PREFIX, stream),
            Self::Unpacked(body) => (0, body),
        };
        bytes.shrink_to_fit();
        Bytes::from(bytes).slice(start..)
    }
}
