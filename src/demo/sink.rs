//! A small OTLP/HTTP backend: takes export requests, decodes them and hands them to a function.
//!
//! For demonstrations and tests on the loopback; the product's receiver is another one. A thread a
//! connection on plain sockets: `tiny_http` hands connections to a pool of threads and at times
//! leaves one waiting until another one ends, which looks like an exporter that hangs.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::net::compression::{Codec, decompress};
use crate::pipeline::{Data, Signal};

/// No request may be larger, on the wire or decompressed.
const MOST_BODY: usize = 64 << 20;
/// No request line and headers together.
const MOST_HEAD: u64 = 64 << 10;
/// Connections at a time; more are closed at once.
const MOST_CONNECTIONS: usize = 100;

/// An export request as it arrived.
#[derive(Debug)]
pub struct Arrived {
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Size of the body on the wire.
    pub wire_bytes: usize,
    /// What was in it; JSON bodies are not decoded.
    pub data: Result<Data, String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

impl Arrived {
    /// The value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the sink answers.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer of a backend that took everything.
    pub fn success() -> Self {
        Self::of(200)
    }

    pub fn of(status: u16) -> Self {
        let content_type = ("Content-Type", "application/x-protobuf".to_owned());
        Self { status, headers: vec![content_type], body: Vec::new() }
    }
}

/// A sink at work; ends when dropped.
pub struct Sink {
    address: SocketAddr,
    connections: Arc<Connections>,
    listening: Option<JoinHandle<()>>,
}

/// The open connections, so that they can be ended.
#[derive(Default)]
struct Connections(Mutex<Open>);

#[derive(Default)]
struct Open {
    closed: bool,
    next: u64,
    streams: HashMap<u64, TcpStream>,
}

type Handler = dyn Fn(Arrived) -> Answer + Send + Sync;

impl Sink {
    /// Listens on `listen` (`127.0.0.1:0` for any free port) and answers requests as `handler` says.
    pub fn start(
        listen: &str,
        handler: impl Fn(Arrived) -> Answer + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections::default());
        let open = connections.clone();
        let handler: Arc<Handler> = Arc::new(handler);
        let listening = std::thread::Builder::new().name("sink".to_owned());
        let listening = listening.spawn(move || accept(&listener, &open, &handler))?;
        Ok(Self { address, connections, listening: Some(listening) })
    }

    /// `http://127.0.0.1:4318`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.closed = true;
        for stream in open.streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(open);
        // The listening thread looks up when somebody calls.
        let called = TcpStream::connect(self.address);
        if let (Ok(_), Some(listening)) = (called, self.listening.take()) {
            let _ = listening.join();
        }
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sink({})", self.address)
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, connections: &Arc<Connections>, handler: &Arc<Handler>) {
    for stream in listener.incoming().flatten() {
        let mut open = connections.lock();
        if open.closed {
            return;
        }
        let Ok(copy) = stream.try_clone() else { continue };
        if open.streams.len() >= MOST_CONNECTIONS {
            continue;
        }
        let number = open.next;
        open.next += 1;
        open.streams.insert(number, copy);
        drop(open);
        let (ending, handler) = (connections.clone(), handler.clone());
        let serving = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            // A connection that breaks has no more to say.
            let _ = serve(&stream, &*handler);
            ending.lock().streams.remove(&number);
        });
        if serving.is_err() {
            connections.lock().streams.remove(&number);
        }
    }
}

/// Answers the requests of a connection, one after another.
fn serve(stream: &TcpStream, handler: &Handler) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = Head::read(&mut reader)? {
        let answer = match head.body(&mut reader)? {
            Ok(wire) => arrived(head, wire).map_or_else(Answer::of, handler),
            Err(status) => {
                // What follows cannot be told from the next request.
                write(stream, Answer::of(status))?;
                return Ok(());
            }
        };
        write(stream, answer)?;
    }
    Ok(())
}

fn write(mut stream: &TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut response = format!("HTTP/1.1 {} \r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in answer.headers {
        for part in [name, ": ", &value, "\r\n"] {
            response.push_str(part);
        }
    }
    let mut response = (response + "\r\n").into_bytes();
    response.extend(answer.body);
    stream.write_all(&response)
}

/// Request line and headers.
struct Head {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// `None` at the end of the connection.
    fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let mut lines = reader.take(MOST_HEAD);
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut parts = line.split_ascii_whitespace().map(str::to_owned);
        let (method, path) = parts.next().zip(parts.next()).ok_or_else(invalid)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Err(invalid());
            }
            let line = line.trim();
            if line.is_empty() {
                return Ok(Some(Self { method, path, headers }));
            }
            let (name, value) = line.split_once(':').ok_or_else(invalid)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body on the wire, or the status to answer with when it cannot be read.
    fn body(&self, reader: &mut impl Read) -> std::io::Result<Result<Vec<u8>, u16>> {
        if self.header("transfer-encoding").is_some() {
            return Ok(Err(411));
        }
        let length = self.header("content-length").map_or(Ok(0), str::parse::<usize>);
        let length = match length {
            Ok(length) if length <= MOST_BODY => length,
            Ok(_) => return Ok(Err(413)),
            Err(_) => return Ok(Err(400)),
        };
        let mut body = Vec::new();
        reader.take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Ok(body))
    }
}

/// Decodes a request; an error is the status to answer with.
fn arrived(head: Head, wire: Vec<u8>) -> Result<Arrived, u16> {
    if head.method != "POST" {
        return Err(405);
    }
    let wire_bytes = wire.len();
    let body = match head.header("content-encoding") {
        None | Some("identity") => wire,
        Some(name) => {
            let codec = Codec::named(name).ok_or(415_u16)?;
            decompress(codec, &wire, MOST_BODY).map_err(|_| 400_u16)?
        }
    };
    let signal = Signal::ALL.into_iter().find(|signal| head.path.ends_with(signal.name())).ok_or(404_u16)?;
    let data = Data::decode(signal, &body).map_err(|error| error.to_string());
    Ok(Arrived { path: head.path, headers: head.headers, wire_bytes, data, body })
}
