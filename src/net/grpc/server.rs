//! One connection of a gRPC server: unary calls, many at a time.

use std::cell::Cell;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Connection, SendResponse};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Response, header};

use super::keepalive::Keepalive;
use super::message::{self, Opened};
use super::{Code, Status};
use crate::net::event_loop::{Socket, Task};
use crate::net::http::SLOWEST;

/// How large, how many and how slow.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a message, compressed and not.
    pub message: usize,
    pub streams: u32,
    /// TLS and the first frames.
    pub handshake_time: Duration,
    /// For a message; on top of that a second for every [`SLOWEST`] bytes that came.
    pub message_time: Duration,
    /// Without a call for this long the connection is ended.
    pub idle: Option<Duration>,
    /// Older connections are ended, after the grace by force.
    pub age: Option<Duration>,
    pub age_grace: Option<Duration>,
    /// After silence of `ping_after` a ping is sent, which must be answered in `ping_timeout`.
    pub ping_after: Duration,
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 4 << 20,
            streams: 256,
            handshake_time: Duration::from_secs(10),
            message_time: Duration::from_secs(30),
            idle: None,
            age: None,
            age_grace: None,
            ping_after: Duration::from_hours(2),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// Bytes of decoded headers of a call.
const HEADER_LIST: u32 = 16 << 10;
/// How much a client may send before it hears that it was read.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;
const FRAME: u32 = 64 << 10;
const SEND_BUFFER: usize = 64 << 10;
/// A message of no more gets its room at once.
const EXACT: usize = 1 << 20;
/// Calls that a client may begin and cancel before it is sent away.
const RESETS: usize = 50;

/// An answer under way: the encoded response message.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Status>> + 'a>>;

/// What answers calls. One a connection.
pub trait Service {
    /// Whether there is such a method.
    fn knows(&self, path: &str) -> bool;

    /// Room for `more` bytes of messages, which all connections share; negative numbers give it back.
    fn reserve(&self, more: isize) -> bool {
        let _ = more;
        true
    }

    /// Takes the message of a call.
    fn answer<'a>(&'a self, path: &'a str, message: Opened, peer: IpAddr) -> Answer<'a>;
}

/// Serves a connection until it ends.
pub async fn serve(
    mut socket: Socket,
    peer: IpAddr,
    task: Rc<Task>,
    service: Rc<dyn Service>,
    limits: Rc<Limits>,
) {
    socket.set_deadline(Some(Instant::now() + limits.handshake_time));
    let heard = socket.heard_cell();
    let deadline = socket.deadline_cell();
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(HEADER_LIST)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS)
        .handshake::<_, Bytes>(socket);
    // An error is the client's own: it spoke something else, or was too slow.
    let Ok(mut connection) = handshake.await else { return };
    deadline.set(None);
    let now = Instant::now();
    let keepalive = Keepalive::new(connection.ping_pong(), heard, limits.ping_after, limits.ping_timeout);
    let mut driver = Driver {
        connection,
        keepalive,
        calls: Vec::new(),
        shared: Rc::new(Shared { peer, task, service, limits }),
        idle_since: now,
        born: now,
        leaving: None,
        deadline,
    };
    std::future::poll_fn(|context| driver.poll(context)).await;
}

/// What the calls of a connection share.
struct Shared {
    peer: IpAddr,
    task: Rc<Task>,
    service: Rc<dyn Service>,
    limits: Rc<Limits>,
}

struct Driver {
    connection: Connection<Socket, Bytes>,
    keepalive: Keepalive,
    calls: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    shared: Rc<Shared>,
    idle_since: Instant,
    born: Instant,
    /// GOAWAY was sent; at this time the connection is closed.
    leaving: Option<Option<Instant>>,
    deadline: Rc<Cell<Option<Instant>>>,
}

/// How long writing may make no progress while the connection is being ended.
const LAST_WRITE: Duration = Duration::from_secs(5);

impl Driver {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.connection.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let shared = self.shared.clone();
                    self.calls.push(Box::pin(async move { shared.call(request, respond).await }));
                }
                // The end, or an error that h2 has told the client already.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.calls.retain_mut(|call| call.as_mut().poll(context).is_pending());
        let now = Instant::now();
        if !self.calls.is_empty() {
            self.idle_since = now;
        }
        if self.shared.task.is_stopping() {
            self.leave(context, None);
        }
        self.keep_time(context, now)
    }

    fn keep_time(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<()> {
        let shared = self.shared.clone();
        let limits = &shared.limits;
        if let Some(age) = limits.age
            && now >= self.born + age
        {
            self.leave(context, limits.age_grace.map(|grace| now + grace));
        }
        if let Some(idle) = limits.idle
            && now >= self.idle_since + idle
        {
            self.leave(context, Some(now + LAST_WRITE));
        }
        if let Some(Some(end)) = self.leaving
            && now >= end
        {
            return Poll::Ready(());
        }
        if self.keepalive.poll(context, &shared.task, now).is_ready() {
            return Poll::Ready(());
        }
        let times = [
            limits.age.map(|age| self.born + age).filter(|_| self.leaving.is_none()),
            limits.idle.map(|idle| self.idle_since + idle).filter(|_| self.leaving.is_none()),
            self.leaving.flatten(),
        ];
        times.into_iter().flatten().for_each(|time| shared.task.wake_at(time));
        Poll::Pending
    }

    /// Takes no new calls; those under way are answered.
    fn leave(&mut self, context: &mut Context<'_>, end: Option<Instant>) {
        if self.leaving.is_none() {
            self.leaving = Some(end);
            self.connection.graceful_shutdown();
            self.deadline.set(Some(Instant::now() + LAST_WRITE + self.shared.limits.message_time));
            context.waker().wake_by_ref();
        }
    }
}

impl Shared {
    async fn call(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (head, body) = request.into_parts();
        let is_grpc = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if head.method != Method::POST || !is_grpc {
            let status = if is_grpc { 405 } else { 415 };
            let mut response = Response::new(());
            *response.status_mut() = ureq::http::StatusCode::from_u16(status).unwrap_or_default();
            // A stream that cannot be answered has ended already.
            _ = respond.send_response(response, true);
            return;
        }
        match self.outcome(head.uri.path(), &head.headers, body).await {
            Ok(message) => _ = respond_with(&mut respond, &message),
            Err(status) => {
                let mut response = grpc_response();
                status.to_trailers(response.headers_mut());
                _ = respond.send_response(response, true);
            }
        }
    }

    async fn outcome(&self, path: &str, headers: &HeaderMap, body: RecvStream) -> Result<Vec<u8>, Status> {
        if !self.service.knows(path) {
            return Err(Status::new(Code::Unimplemented, format!("unknown method {path}")));
        }
        let encoding = headers.get("grpc-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(codec) = message::codec(encoding) else {
            let text = format!("grpc: Decompressor is not installed for grpc-encoding {encoding:?}");
            return Err(Status::new(Code::Unimplemented, text));
        };
        let mut reading = Reading {
            shared: self,
            body,
            bytes: Vec::new(),
            reserved: 0,
            expected: None,
            started: Instant::now(),
        };
        std::future::poll_fn(|context| reading.poll(context)).await?;
        let stream = std::mem::take(&mut reading.bytes);
        let opened = message::opened(stream, codec, self.limits.message)?;
        // The reservation ends with `reading`, when the call is answered.
        self.service.answer(path, opened, self.peer).await
    }
}

/// The bytes of a call as they come.
struct Reading<'a> {
    shared: &'a Shared,
    body: RecvStream,
    bytes: Vec<u8>,
    reserved: usize,
    /// Length of the message, when its prefix is there.
    expected: Option<usize>,
    started: Instant,
}

impl Reading<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        loop {
            let earned = Duration::from_millis((self.bytes.len() * 1000 / SLOWEST) as u64);
            let deadline = self.started + self.shared.limits.message_time + earned;
            let Poll::Ready(data) = self.body.poll_data(context) else {
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(Status::new(
                        Code::DeadlineExceeded,
                        "the message came too slowly",
                    )));
                }
                self.shared.task.wake_at(deadline);
                return Poll::Pending;
            };
            match data {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => {
                    return Poll::Ready(Err(Status::new(Code::Canceled, error.to_string())));
                }
                Some(Ok(data)) => self.take(&data)?,
            }
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        if !self.shared.service.reserve(data.len() as isize) {
            let text = "too much is being received: try again later";
            return Err(Status::retry(Code::ResourceExhausted, text, Duration::from_secs(1)));
        }
        self.reserved += data.len();
        self.bytes.extend_from_slice(data);
        // Read is read: what is kept back is bounded by the reservation.
        _ = self.body.flow_control().release_capacity(data.len());
        if self.expected.is_none()
            && let Some(prefix) = self.bytes.first_chunk()
        {
            let expected = message::announced(*prefix, self.shared.limits.message)?;
            self.expected = Some(expected);
            // What is not written costs no memory.
            self.bytes
                .reserve_exact((message::PREFIX + expected).min(EXACT).saturating_sub(self.bytes.len()));
        }
        if self.expected.is_some_and(|expected| self.bytes.len() > message::PREFIX + expected) {
            return Err(Status::new(Code::Internal, "the stream is not one message"));
        }
        Ok(())
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.shared.service.reserve(-(self.reserved as isize));
    }
}

fn grpc_response() -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static(message::ACCEPTED));
    response
}

/// Answers are small: they fit the window of any client.
fn respond_with(respond: &mut SendResponse<Bytes>, message: &[u8]) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(grpc_response(), false)?;
    stream.send_data(message::framed(message, false).into(), false)?;
    let mut trailers = HeaderMap::new();
    Status::new(Code::Ok, "").to_trailers(&mut trailers);
    stream.send_trailers(trailers)
}
