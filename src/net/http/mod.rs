//! A small HTTP/1.1 server with limits: for receivers and for the agent's own endpoints.
//!
//! Every part of a request has a size limit and a time limit. Requests of one connection are answered
//! one after another; the next one is not read before.

mod body;
mod head;
mod serve;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

pub use self::body::BodyError;
pub use self::head::{BadHead, Framing, Head};
pub use self::serve::serve;

/// How large and how slow a client may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the request line and the headers.
    pub head: usize,
    /// From the first byte of a request to the end of its head.
    pub head_time: Duration,
    /// For a body; on top of that a second for every [`SLOWEST`] bytes that came.
    pub body_time: Duration,
    pub write_time: Duration,
    /// How long a connection may wait for the next request.
    pub idle_time: Duration,
    /// Whether a connection takes more than one request.
    pub keep_alive: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 32 << 10,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(120),
            keep_alive: true,
        }
    }
}

/// Bytes a second: what a body must bring after its first [`Limits::body_time`].
pub const SLOWEST: usize = 16 << 10;

/// Most headers of a request.
const MOST_HEADERS: usize = 100;

/// A request with its body, or with what was wrong with it.
pub struct Request {
    pub head: Head,
    pub body: Result<Vec<u8>, BodyError>,
    pub peer: IpAddr,
}

/// An answer; its length and what concerns the connection are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// An answer under way.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + 'a>>;

/// What answers requests. One a connection.
pub trait Service {
    /// Looks at a head before the body is read: how many bytes the body may have, or an answer.
    fn check(&self, head: &Head) -> Result<usize, Response>;

    /// Room for `more` bytes of bodies, which all connections share. False when there is none now;
    /// negative numbers give room back.
    fn reserve(&self, more: isize) -> bool {
        let _ = more;
        true
    }

    fn answer(&self, request: Request) -> Answer<'_>;
}
