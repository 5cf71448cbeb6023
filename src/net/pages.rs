//! A port with a few small pages: plain HTTP through `tiny_http`, HTTPS through a small loop of our
//! own, since the TLS of `tiny_http` is outdated.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is behind a port: the answer for a request target such as `/readyz?verbose`.
pub type Pages = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// An answer to a request.
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type, body: body.into(), headers: Vec::new() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Pause after something failed that may work again, and how long a wake-up of an accept may take.
const TURN: Duration = Duration::from_millis(100);
/// A probe that has not sent its request by then is cut off (HTTPS).
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Probes are few; more clients at once are not (HTTPS).
const MAX_CLIENTS: usize = 16;
/// A request head larger than that is refused (HTTPS).
const MAX_HEAD: usize = 8 << 10;

/// A server at work; dropping it closes the port.
pub struct Server {
    stop: Arc<Stopping>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// The request to stop, and how to wake who waits for clients instead of it.
#[derive(Default)]
struct Stopping {
    raised: AtomicBool,
    /// The server that waits (HTTP).
    waiting: Mutex<Option<Arc<tiny_http::Server>>>,
}

impl Stopping {
    fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Arc<tiny_http::Server>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Serves pages over HTTP, in a thread of that name.
    pub fn start(listener: TcpListener, name: &'static str, pages: Pages) -> io::Result<Self> {
        let spare = listener.try_clone()?;
        Self::spawn(listener, name, move |listener, stop| serve_http(listener, &spare, stop, &pages))
    }

    /// Serves pages over HTTPS, in threads of that name.
    pub fn start_tls(
        listener: TcpListener,
        name: &'static str,
        tls: Arc<rustls::ServerConfig>,
        pages: Pages,
    ) -> io::Result<Self> {
        Self::spawn(listener, name, move |listener, stop| serve_https(&listener, name, stop, &tls, &pages))
    }

    fn spawn(
        listener: TcpListener,
        name: &'static str,
        serve: impl FnOnce(TcpListener, &Stopping) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(Stopping::default());
        let address = listener.local_addr()?;
        let seen = stop.clone();
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || serve(listener, &seen))?;
        Ok(Self { stop, address, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.raised.store(true, Ordering::Release);
        if let Some(server) = &*self.stop.waiting() {
            server.unblock();
        }
        // Wakes a blocked accept.
        _ = TcpStream::connect_timeout(&self.address, TURN);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// `tiny_http` ends for good when accept fails once (out of file descriptors): then it starts
/// again on the same port.
fn serve_http(listener: TcpListener, spare: &TcpListener, stop: &Stopping, pages: &Pages) {
    let mut listener = Some(listener);
    while !stop.is_raised() {
        let Some(socket) = listener.take().or_else(|| spare.try_clone().ok()) else {
            std::thread::sleep(TURN);
            continue;
        };
        let Ok(server) = tiny_http::Server::from_listener(socket, None).map(Arc::new) else { continue };
        // From here on a stop wakes it, or was raised before and is seen.
        *stop.waiting() = Some(Arc::clone(&server));
        while !stop.is_raised()
            && let Ok(request) = server.recv()
        {
            respond(request, pages);
        }
        *stop.waiting() = None;
        if !stop.is_raised() {
            std::thread::sleep(TURN);
        }
    }
    // The thread that accepts is the library's and may still hold the port.
    _ = rustix::net::shutdown(spare, rustix::net::Shutdown::Both);
}

fn respond(request: tiny_http::Request, pages: &Pages) {
    let Answer { status, content_type, body, headers } = pages(request.url());
    let mut response = tiny_http::Response::from_string(body).with_status_code(status);
    let content_type = ("Content-Type", content_type.to_owned());
    for (name, value) in headers.into_iter().chain([content_type]) {
        if let Ok(header) = tiny_http::Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    // The client is gone: nothing to tell.
    _ = request.respond(response);
}

fn serve_https(
    listener: &TcpListener,
    name: &str,
    stop: &Stopping,
    tls: &Arc<rustls::ServerConfig>,
    pages: &Pages,
) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.is_raised() {
            return;
        }
        let Ok(stream) = stream else {
            std::thread::sleep(TURN);
            continue;
        };
        if clients.load(Ordering::Acquire) >= MAX_CLIENTS {
            continue;
        }
        clients.fetch_add(1, Ordering::AcqRel);
        let (tls, pages, count) = (tls.clone(), pages.clone(), clients.clone());
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // A client that breaks the protocol harms itself alone.
            _ = answer_https(stream, tls, &pages);
            count.fetch_sub(1, Ordering::AcqRel);
        });
        if spawned.is_err() {
            clients.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn answer_https(stream: TcpStream, tls: Arc<rustls::ServerConfig>, pages: &Pages) -> io::Result<()> {
    stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    stream.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    let connection = rustls::ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = stream.read(&mut chunk)?;
        if n == 0 || head.len() + n > MAX_HEAD {
            return Ok(());
        }
        head.extend_from_slice(&chunk[..n]);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or(b"/");
    let Answer { status, content_type, body, headers } = pages(&String::from_utf8_lossy(target));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let reason = if status == 200 { "OK" } else { "Unavailable" };
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_server_that_waits_for_clients_is_stopped_at_once_and_frees_its_port() {
        let mut first = Some(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = first.as_ref().unwrap().local_addr().unwrap();
        let pages: Pages = Arc::new(|target| Answer::new(200, "text/plain", format!("page {target}")));
        for round in 0..20 {
            let listener = first.take().unwrap_or_else(|| TcpListener::bind(address).unwrap());
            let server = Server::start(listener, "pages", Arc::clone(&pages)).unwrap();
            if round % 2 == 0 {
                assert!(ask(address).ends_with("page /a"));
            }
            // Ends: nothing else wakes the thread that waits.
            drop(server);
        }
    }
}
