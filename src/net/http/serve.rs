//! One connection: requests in, answers out, one after another.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::body::Reading;
use super::head::{BadHead, Framing};
use super::{BodyError, Head, Limits, Request, Response, Service};
use crate::net::event_loop::{Socket, Task};

/// How much and how long is read of a request that was refused, so that its answer arrives.
const LINGER: usize = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// Most bytes of a head asked of the kernel at a time.
const PIECE: usize = 8 << 10;

/// Answers the requests of a connection until it ends.
pub async fn serve(
    mut socket: Socket,
    peer: IpAddr,
    task: Rc<Task>,
    service: impl Service,
    limits: Rc<Limits>,
) {
    let mut buffer = Vec::new();
    // An error is the client's own: it has gone, or was too slow.
    while let Ok(true) = exchange(&mut socket, &mut buffer, peer, &task, &service, &limits).await {}
    socket.set_deadline(Some(Instant::now() + LINGER_TIME));
    socket.close(LINGER).await;
}

/// One request and its answer. False when the connection is to be closed.
async fn exchange(
    socket: &mut Socket,
    buffer: &mut Vec<u8>,
    peer: IpAddr,
    task: &Task,
    service: &dyn Service,
    limits: &Limits,
) -> io::Result<bool> {
    let head = match read_head(socket, buffer, task, limits).await? {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(false),
        Err(BadHead(status, why)) => {
            write(socket, &Response::text(status, why), false, true, limits).await?;
            return Ok(false);
        }
    };
    let has_body = head.method != "HEAD";
    let checked = head.framing().map_err(|BadHead(status, why)| Response::text(status, why));
    let (framing, limit) = match checked.and_then(|framing| Ok((framing, service.check(&head)?))) {
        Ok(checked) => checked,
        Err(response) => {
            // The body is not read, so nothing can follow it.
            let keep = limits.keep_alive && head.keeps_alive() && head.framing() == Ok(Framing::Length(0));
            write(socket, &response, keep, has_body, limits).await?;
            return Ok(keep);
        }
    };
    let too_large = matches!(framing, Framing::Length(length) if length > limit);
    if head.expects_continue() && !too_large && buffer.is_empty() {
        socket.set_deadline(Some(Instant::now() + limits.write_time));
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let read = Reading::new(socket, buffer, service, limits, limit).run(framing).await;
    let (body, reserved) = match read {
        Ok((body, reserved)) => (Ok(body), reserved),
        Err(BodyError::Io(error)) => return Err(error),
        Err(error) => (Err(error), 0),
    };
    let keep = body.is_ok() && limits.keep_alive && head.keeps_alive() && !task.is_stopping();
    socket.set_deadline(None);
    let response = {
        let _reserved = Reserved(service, reserved);
        service.answer(Request { head, body, peer }).await
    };
    write(socket, &response, keep, has_body, limits).await?;
    Ok(keep)
}

/// What a body has reserved until it is answered.
struct Reserved<'a>(&'a dyn Service, usize);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.reserve(-(self.1 as isize));
    }
}

/// Reads the next head; `None` when the client has no more requests.
async fn read_head(
    socket: &mut Socket,
    buffer: &mut Vec<u8>,
    task: &Task,
    limits: &Limits,
) -> io::Result<Result<Option<Head>, BadHead>> {
    let mut started = None;
    // Parsing begins anew only when there is another line.
    let mut look = !buffer.is_empty();
    loop {
        if look {
            match Head::parse(buffer) {
                Ok(Some((head, length))) => {
                    buffer.drain(..length);
                    return Ok(Ok(Some(head)));
                }
                Ok(None) if buffer.len() >= limits.head => {
                    return Ok(Err(BadHead(431, "the request head is too large")));
                }
                Ok(None) => {}
                Err(bad) => return Ok(Err(bad)),
            }
        } else if buffer.len() >= limits.head {
            return Ok(Err(BadHead(431, "the request head is too large")));
        }
        if buffer.is_empty() {
            // An idle connection keeps no buffer.
            buffer.shrink_to(0);
            socket.set_deadline(Some(Instant::now() + limits.idle_time));
        } else {
            let started = *started.get_or_insert_with(Instant::now);
            socket.set_deadline(Some(started + limits.head_time));
        }
        let before = buffer.len();
        let n = if before == 0 {
            let mut piece = Vec::new();
            let n = wait_or_stop(socket, task, &mut piece).await?;
            *buffer = piece;
            n
        } else {
            socket.read_some(buffer, PIECE).await?
        };
        if n == 0 {
            return Ok(Ok(None));
        }
        // What is no request at all is told so at once.
        look = before == 0 || memchr::memchr(b'\n', &buffer[before..]).is_some();
    }
}

/// Waits for the first bytes of a request; 0 also when the loop ends.
async fn wait_or_stop(socket: &mut Socket, task: &Task, piece: &mut Vec<u8>) -> io::Result<usize> {
    // The buffer is made when there is something to read, so that idle connections are small.
    std::future::poll_fn(|context| match task.is_stopping() {
        true => Poll::Ready(Ok(0)),
        false => socket.poll_some(context, piece, PIECE),
    })
    .await
}

async fn write(
    socket: &mut Socket,
    response: &Response,
    keep_alive: bool,
    has_body: bool,
    limits: &Limits,
) -> io::Result<()> {
    use std::io::Write;
    let mut bytes = Vec::with_capacity(256 + response.body.len());
    write!(bytes, "HTTP/1.1 {} {}\r\n", response.status, reason(response.status))?;
    for (name, value) in &response.headers {
        // A header that was made of a client's text must not end itself.
        let clean = value.bytes().all(|byte| byte >= b' ' && byte != 0x7f || byte == b'\t');
        if clean {
            write!(bytes, "{name}: {value}\r\n")?;
        }
    }
    if response.status != 204 {
        write!(bytes, "Content-Length: {}\r\n", response.body.len())?;
    }
    if !keep_alive {
        bytes.extend_from_slice(b"Connection: close\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    if has_body {
        bytes.extend_from_slice(&response.body);
    }
    socket.set_deadline(Some(Instant::now() + limits.write_time));
    socket.write_all(&bytes).await
}

fn reason(status: u16) -> &'static str {
    ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Status")
}
