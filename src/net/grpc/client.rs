//! Unary calls to a gRPC server, from any thread: one connection, driven by a loop of its own, on
//! which calls run side by side.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use h2::client::{Connection, SendRequest};
use rustls::pki_types::ServerName;
use ureq::http::{HeaderMap, HeaderValue, Request, Response, header};

use super::keepalive::Keepalive;
use super::message::{self, PREFIX};
use super::{Code, Status};
use crate::net::connector::Tls;
use crate::net::event_loop::{Loops, Socket, Task};
use crate::pipeline::Stop;

/// Bytes of a response message; what is longer is no answer to an export.
const MOST_RESPONSE: usize = 64 << 10;
const HEADER_LIST: u32 = 16 << 10;
/// When a call has no time limit of its own, connecting still has one.
const CONNECT_TIME: Duration = Duration::from_secs(20);

/// Where a channel leads and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port` to connect to.
    pub address: String,
    /// What `:authority` says.
    pub authority: String,
    pub tls: Option<Tls>,
    /// Pings after silence: after how long, and how long an answer may take.
    pub keepalive: Option<(Duration, Duration)>,
}

/// A server, and the connection to it when there is one.
pub struct Channel {
    target: Target,
    loops: Mutex<Option<Loops>>,
    link: Mutex<Option<Arc<Link>>>,
    closed: AtomicBool,
}

/// One unary call.
pub struct Call {
    /// `/package.Service/Method`.
    pub path: &'static str,
    pub headers: HeaderMap,
    /// With its prefix.
    pub message: Vec<u8>,
    /// For the call as a whole.
    pub timeout: Option<Duration>,
}

/// Why a call has no response message.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("{0}")]
    Status(Status),
    /// Nobody can tell whether the server has it.
    #[error("{0}")]
    Transport(String),
    #[error("interrupted by shutdown")]
    Stopped,
}

type Reply = Result<Vec<u8>, CallError>;

/// A call on its way to the connection.
struct Pending {
    call: Call,
    deadline: Option<Instant>,
    reply: Sender<Reply>,
}

/// The side of a connection that callers see.
#[derive(Default)]
struct Link {
    state: Mutex<LinkState>,
}

#[derive(Default)]
struct LinkState {
    pending: VecDeque<Pending>,
    waker: Option<Waker>,
    /// Why it takes no more calls.
    dead: Option<String>,
}

impl Channel {
    pub fn new(target: Target) -> Self {
        Self { target, loops: Mutex::default(), link: Mutex::default(), closed: AtomicBool::new(false) }
    }

    /// Makes a call and waits for its end; gives up when `stop` is raised.
    pub fn unary(&self, call: Call, stop: &Stop) -> Reply {
        let deadline = call.timeout.map(|timeout| Instant::now() + timeout);
        let (sender, receiver) = bounded(1);
        let pending = Pending { call, deadline, reply: sender };
        self.link(deadline)?.send(pending);
        self.wait(&receiver, stop)
    }

    fn wait(&self, receiver: &Receiver<Reply>, stop: &Stop) -> Reply {
        select! {
            recv(receiver) -> reply => match reply {
                Ok(reply) => reply,
                Err(_) if self.closed.load(Ordering::Relaxed) => Err(CallError::Stopped),
                Err(_) => Err(CallError::Transport("the connection was closed".to_owned())),
            },
            recv(stop.channel()) -> _ => Err(CallError::Stopped),
        }
    }

    /// Ends all calls, and takes no more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let loops = lock(&self.loops).take();
        if let Some(loops) = loops {
            loops.stop(Duration::ZERO);
        }
    }

    /// The connection, made now when there is none.
    fn link(&self, deadline: Option<Instant>) -> Result<Arc<Link>, CallError> {
        // Whoever comes meanwhile waits for the same connection.
        let mut link = lock(&self.link);
        if let Some(link) = link.as_ref().filter(|link| link.is_alive()) {
            return Ok(link.clone());
        }
        let failed = |error: io::Error| {
            CallError::Transport(format!("cannot connect to {}: {error}", self.target.address))
        };
        let stream = connect(&self.target.address, deadline).map_err(failed)?;
        let new = Arc::new(Link::default());
        let mut loops = lock(&self.loops);
        if self.closed.load(Ordering::Relaxed) {
            return Err(CallError::Stopped);
        }
        if loops.is_none() {
            *loops = Some(Loops::start("grpc client", 1).map_err(failed)?);
        }
        if let Some(loops) = loops.as_ref() {
            let (target, link) = (self.target.clone(), new.clone());
            loops.spawner().spawn(Box::new(move |task| match socket(stream, &target, &task) {
                Ok(socket) => Some(Box::pin(async move { drive(socket, target, task, link).await })),
                Err(error) => {
                    link.end(&error.to_string());
                    None
                }
            }));
        }
        *link = Some(new.clone());
        Ok(new)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(address: &str, deadline: Option<Instant>) -> io::Result<TcpStream> {
    let deadline = deadline.unwrap_or_else(|| Instant::now() + CONNECT_TIME);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn socket(stream: TcpStream, target: &Target, task: &Rc<Task>) -> io::Result<Socket> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    task.watch(&stream)?;
    let tls = match &target.tls {
        None => None,
        Some(tls) => {
            let name = match &tls.server_name {
                Some(name) => name.clone(),
                None => {
                    let host = target.address.rsplit_once(':').map_or(&*target.address, |(host, _)| host);
                    let bare = host.trim_start_matches('[').trim_end_matches(']');
                    ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?
                }
            };
            let connection = rustls::ClientConnection::new(tls.config.clone(), name);
            Some(rustls::Connection::Client(connection.map_err(io::Error::other)?))
        }
    };
    Ok(Socket::new(stream, tls, task.clone()))
}

impl Link {
    fn is_alive(&self) -> bool {
        lock(&self.state).dead.is_none()
    }

    fn send(&self, pending: Pending) {
        let mut state = lock(&self.state);
        if let Some(why) = &state.dead {
            // The caller waits for an answer and gets this one.
            _ = pending.reply.send(Err(CallError::Transport(why.clone())));
            return;
        }
        state.pending.push_back(pending);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn next(&self, context: &Context<'_>) -> Option<Pending> {
        let mut state = lock(&self.state);
        state.waker = Some(context.waker().clone());
        state.pending.pop_front()
    }

    fn put_back(&self, pending: Pending) {
        lock(&self.state).pending.push_front(pending);
    }

    fn end(&self, why: &str) {
        let mut state = lock(&self.state);
        state.dead = Some(why.to_owned());
        for pending in state.pending.drain(..) {
            _ = pending.reply.send(Err(CallError::Transport(why.to_owned())));
        }
    }
}

/// The life of a connection.
async fn drive(mut socket: Socket, target: Target, task: Rc<Task>, link: Arc<Link>) {
    socket.set_deadline(Some(Instant::now() + CONNECT_TIME));
    let (deadline, heard) = (socket.deadline_cell(), socket.heard_cell());
    let handshake = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(HEADER_LIST)
        .handshake::<_, Bytes>(socket)
        .await;
    let (send, mut connection) = match handshake {
        Ok(ends) => ends,
        Err(error) => return link.end(&format!("cannot speak HTTP/2 with {}: {error}", target.address)),
    };
    deadline.set(None);
    let keepalive = target
        .keepalive
        .map(|(after, timeout)| Keepalive::new(connection.ping_pong(), heard, after, timeout));
    let mut driver =
        Driver { connection, send, keepalive, calls: Vec::new(), target, task, link: link.clone() };
    let why = std::future::poll_fn(|context| driver.poll(context)).await;
    link.end(&why);
}

struct Driver {
    connection: Connection<Socket, Bytes>,
    send: SendRequest<Bytes>,
    keepalive: Option<Keepalive>,
    calls: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    target: Target,
    task: Rc<Task>,
    link: Arc<Link>,
}

impl Driver {
    /// Ready, with the reason, when the connection is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<String> {
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(context) {
            // Calls whose answers have arrived still get them.
            self.calls.retain_mut(|call| call.as_mut().poll(context).is_pending());
            let address = &self.target.address;
            return Poll::Ready(match ended {
                Ok(()) => format!("{address} closed the connection"),
                Err(error) => format!("the connection to {address} broke: {error}"),
            });
        }
        if self.task.is_stopping() {
            return Poll::Ready("the agent is stopping".to_owned());
        }
        while let Some(pending) = self.link.next(context) {
            match self.send.poll_ready(context) {
                Poll::Ready(Ok(())) => self.begin(pending),
                Poll::Ready(Err(error)) => {
                    self.link.put_back(pending);
                    return Poll::Ready(format!("{} takes no more calls: {error}", self.target.address));
                }
                Poll::Pending => {
                    self.link.put_back(pending);
                    break;
                }
            }
        }
        self.calls.retain_mut(|call| call.as_mut().poll(context).is_pending());
        let Some(keepalive) = &mut self.keepalive else { return Poll::Pending };
        let dead = keepalive.poll(context, &self.task, Instant::now());
        dead.map(|()| format!("{} does not answer", self.target.address))
    }

    fn begin(&mut self, pending: Pending) {
        let Pending { call, deadline, reply } = pending;
        let scheme = if self.target.tls.is_some() { "https" } else { "http" };
        let request = Request::post(format!("{scheme}://{}{}", self.target.authority, call.path)).body(());
        let mut request = match request {
            Ok(request) => request,
            Err(error) => {
                _ = reply.send(Err(CallError::Transport(error.to_string())));
                return;
            }
        };
        *request.headers_mut() = call.headers;
        let sent = self.send.send_request(request, false).and_then(|(response, mut stream)| {
            stream.send_data(call.message.into(), true)?;
            Ok((response, stream))
        });
        let (response, stream) = match sent {
            Ok(ends) => ends,
            Err(error) => {
                _ = reply.send(Err(CallError::Transport(error.to_string())));
                return;
            }
        };
        let task = self.task.clone();
        self.calls.push(Box::pin(async move {
            // Dropping it resets a call that takes too long.
            let _stream = stream;
            let ended = match deadline {
                None => Some(outcome(response).await),
                Some(deadline) => task.until(deadline, outcome(response)).await,
            };
            let timeout = || {
                CallError::Status(Status::new(Code::DeadlineExceeded, "the server did not answer in time"))
            };
            // The caller may have given up.
            _ = reply.send(ended.unwrap_or_else(|| Err(timeout())));
        }));
    }
}

async fn outcome(response: h2::client::ResponseFuture) -> Reply {
    let broken = |error: h2::Error| CallError::Transport(format!("the call broke: {error}"));
    let (head, mut body) = response.await.map_err(broken)?.into_parts();
    let head = Response::from_parts(head, ());
    if let Some(status) = Status::from_trailers(head.headers())
        && status.code != Code::Ok
    {
        return Err(CallError::Status(status));
    }
    let kind = head.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if head.status() != 200 || !kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        let code = if head.status() == 200 { Code::Unknown } else { Code::of_http(head.status().as_u16()) };
        let text = format!("unexpected HTTP status {} in place of a gRPC answer", head.status());
        return Err(CallError::Status(Status::new(code, text)));
    }
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(broken)?;
        if bytes.len() + data.len() > MOST_RESPONSE + PREFIX {
            return Err(CallError::Status(Status::new(Code::Internal, "the answer is too long")));
        }
        bytes.extend_from_slice(&data);
        _ = body.flow_control().release_capacity(data.len());
    }
    let trailers = body.trailers().await.map_err(broken)?;
    let status =
        trailers.as_ref().and_then(Status::from_trailers).or_else(|| Status::from_trailers(head.headers()));
    match status {
        Some(Status { code: Code::Ok, .. }) => {}
        Some(status) => return Err(CallError::Status(status)),
        None => return Err(CallError::Status(Status::new(Code::Internal, "the answer has no status"))),
    }
    let opened = message::opened(bytes, None, MOST_RESPONSE).map_err(CallError::Status)?;
    Ok(opened.body().to_vec())
}
