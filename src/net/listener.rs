//! Listening sockets whose connections are handed to [loops](super::event_loop).

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::event_loop::{Socket, Spawner, Task};
use crate::telemetry::{Causes, Counter};

/// How long accepting rests when the system has no more file descriptors or memory.
const REST: Duration = Duration::from_millis(100);
/// Connections taken before other work has its turn.
const TURN: usize = 64;

/// Binds `endpoint` as the collector writes it: `host:port`, `:port` for every address.
pub fn bind(endpoint: &str) -> io::Result<TcpListener> {
    let text = endpoint.strip_prefix(':').map_or_else(|| endpoint.to_owned(), |port| format!("[::]:{port}"));
    let mut addresses: Vec<_> = text.to_socket_addrs()?.collect();
    // As in Go: a name with addresses of both kinds is that of the older one.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    match TcpListener::bind(&addresses[..]) {
        // Machines without IPv6.
        Err(_) if endpoint.starts_with(':') => TcpListener::bind(format!("0.0.0.0{endpoint}")),
        bound => bound,
    }
}

/// Whether [`bind`] can make sense of it.
pub fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let port = endpoint.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(()),
        _ => Err(format!("\"{endpoint}\" must be host:port, such as \"0.0.0.0:4317\"")),
    }
}

/// What becomes of the connections of one listening socket.
pub struct Accepting<S> {
    pub listener: TcpListener,
    pub tls: Option<TlsSource>,
    /// Connections of this and of other sockets that share the limit.
    pub connections: Arc<Connections>,
    /// Made for every connection, in the thread that will run it.
    pub serve: S,
}

/// Where a listener gets its TLS settings for the next connection.
pub type TlsSource = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// How many connections there may be, and how many there are.
pub struct Connections {
    most: usize,
    open: AtomicUsize,
    /// Closed at once because there were too many.
    refused: Counter,
    causes: Causes<&'static str>,
}

impl Connections {
    /// At most `most`, and fewer where the system's limit of file descriptors asks for it.
    pub fn new(most: usize, refused: Counter) -> Arc<Self> {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let most = files.map_or(most, |files| most.min((files as usize / 4 * 3).max(16)));
        Arc::new(Self { most, open: AtomicUsize::new(0), refused, causes: Causes::new() })
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn enter(self: &Arc<Self>) -> Option<Entry> {
        let entry = Entry(self.clone());
        if self.open.fetch_add(1, Ordering::Relaxed) < self.most {
            return Some(entry);
        }
        self.refused.add(1);
        if self.causes.is_new("full") {
            log::warn!("there are {} open connections: more are closed at once", self.most);
        }
        None
    }
}

/// One open connection.
struct Entry(Arc<Connections>);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S, F> Accepting<S>
where
    S: Fn(Socket, IpAddr, Rc<Task>) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    /// Accepts connections in one of the loops and spreads them over all.
    pub fn start(self, spawner: &Spawner) -> io::Result<()> {
        self.listener.set_nonblocking(true)?;
        let all = spawner.clone();
        let me = Arc::new(self);
        spawner.spawn(Box::new(move |task| {
            if let Err(error) = task.watch(&me.listener) {
                log::error!("cannot wait for connections: {error}");
                return None;
            }
            Some(Box::pin(async move { me.accept(&task, &all).await }))
        }));
        Ok(())
    }

    async fn accept(self: Arc<Self>, task: &Task, spawner: &Spawner) {
        std::future::poll_fn(|context| {
            for _ in 0..TURN {
                if task.is_stopping() {
                    return Poll::Ready(());
                }
                match self.listener.accept() {
                    Ok((stream, peer)) => self.clone().begin(stream, peer.ip().to_canonical(), spawner),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                    // The client has gone again.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                    Err(error) => {
                        if self.connections.causes.is_new("accept") {
                            log::warn!("cannot accept connections, will try again: {error}");
                        }
                        task.wake_at(Instant::now() + REST);
                        return Poll::Pending;
                    }
                }
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn begin(self: Arc<Self>, stream: TcpStream, peer: IpAddr, spawner: &Spawner) {
        let Some(entry) = self.connections.enter() else { return };
        spawner.spawn(Box::new(move |task| {
            let socket = self.socket(stream, &task).ok()?;
            let serving = (self.serve)(socket, peer, task);
            Some(Box::pin(async move {
                let _entry = entry;
                serving.await;
            }))
        }));
    }

    fn socket(&self, stream: TcpStream, task: &Rc<Task>) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // A peer that vanished without a word is noticed after two minutes.
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
        sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(15))?;
        sockopt::set_tcp_keepcnt(&stream, 4)?;
        task.watch(&stream)?;
        let tls = match &self.tls {
            None => None,
            Some(source) => {
                let connection = rustls::ServerConnection::new(source()).map_err(io::Error::other)?;
                Some(rustls::Connection::Server(connection))
            }
        };
        Ok(Socket::new(stream, tls, task.clone()))
    }
}
