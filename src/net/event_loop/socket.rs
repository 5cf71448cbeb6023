//! A TCP connection, with or without TLS, that never blocks: the I/O traits that `h2` speaks, on top
//! of a loop of our own.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Task;

/// A connection of one task.
pub struct Socket {
    stream: TcpStream,
    tls: Option<Box<rustls::Connection>>,
    task: Rc<Task>,
    /// Reading and writing fail when it has passed.
    deadline: Rc<Cell<Option<Instant>>>,
    /// When bytes came last.
    heard: Rc<Cell<Instant>>,
}

impl Socket {
    /// A connection of the loop that `task` is in and watches it.
    pub fn new(stream: TcpStream, tls: Option<rustls::Connection>, task: Rc<Task>) -> Self {
        let heard = Rc::new(Cell::new(Instant::now()));
        Self { stream, tls: tls.map(Box::new), task, deadline: Rc::default(), heard }
    }

    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    /// The deadline, for those who gave the socket away.
    pub fn deadline_cell(&self) -> Rc<Cell<Option<Instant>>> {
        self.deadline.clone()
    }

    /// When bytes came last, for those who gave the socket away.
    pub fn heard_cell(&self) -> Rc<Cell<Instant>> {
        self.heard.clone()
    }

    /// Appends what can be read, at most `most` bytes; 0 at the end.
    pub async fn read_some(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_some(context, into, most)).await
    }

    /// [`read_some`](Self::read_some) by hand; a buffer that was empty takes no memory meanwhile.
    pub fn poll_some(
        &mut self,
        context: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let start = into.len();
        into.resize(start + most, 0);
        let mut buf = ReadBuf::new(&mut into[start..]);
        let polled = Pin::new(self).poll_read(context, &mut buf).map_ok(|()| buf.filled().len());
        into.truncate(start + if let Poll::Ready(Ok(n)) = polled { n } else { 0 });
        if start == 0 && polled.is_pending() {
            into.shrink_to(0);
        }
        polled
    }

    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written =
                std::future::poll_fn(|context| Pin::new(&mut *self).poll_write(context, bytes)).await?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_flush(context)).await
    }

    /// Ends the sending side, and reads on a little, so that the last answer is not lost in a reset
    /// when the client was still sending.
    pub async fn close(mut self, most: usize) {
        if std::future::poll_fn(|context| Pin::new(&mut self).poll_shutdown(context)).await.is_err() {
            return;
        }
        let mut rest = Vec::new();
        let mut left = most;
        while left > 0 {
            rest.clear();
            match self.read_some(&mut rest, left.min(16 << 10)).await {
                Ok(n) if n > 0 => left -= n,
                _ => return,
            }
        }
    }

    /// Called when the kernel has nothing to give or take: the loop notices when that changes.
    fn wait<T>(&self) -> Poll<io::Result<T>> {
        if let Some(deadline) = self.deadline.get() {
            self.task.wake_at(deadline);
        }
        Poll::Pending
    }

    fn check_deadline(&self) -> io::Result<()> {
        match self.deadline.get() {
            Some(deadline) if Instant::now() >= deadline => Err(ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }

    /// Sends what TLS has ready. False when the kernel takes no more now.
    fn flush_tls(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads from the connection or from TLS. `None` when there is nothing now.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let read = match &mut self.tls {
                None => self.stream.read(buf),
                Some(tls) => match tls.reader().read(buf) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.flush_tls()?;
                        if !self.receive_tls()? {
                            return Ok(None);
                        }
                        continue;
                    }
                    // Ended without a farewell, as many clients do.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                    other => other,
                },
            };
            match read {
                Ok(n) => return Ok(Some(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives TLS what has arrived. False when nothing has.
    fn receive_tls(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(false) };
        match tls.read_tls(&mut self.stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        }
        if let Err(error) = tls.process_new_packets() {
            // The alert says why; if it cannot be sent the client sees a closed connection.
            _ = self.flush_tls();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        self.flush_tls()?;
        Ok(true)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.check_deadline()?;
        if !me.task.may_read() {
            // The others have their turn first.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(n) = me.read_now(buf.initialize_unfilled())? else {
            return me.wait();
        };
        buf.advance(n);
        me.heard.set(Instant::now());
        me.task.has_read(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        me.check_deadline()?;
        loop {
            let written = match &mut me.tls {
                None => me.stream.write(bytes),
                Some(tls) => match tls.writer().write(bytes) {
                    Ok(0) if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
                    other => other,
                },
            };
            let free = me.flush_tls()?;
            match written {
                Ok(n) => return Poll::Ready(Ok(n)),
                // TLS had no room, and now it has.
                Err(error) if error.kind() == ErrorKind::WouldBlock && me.tls.is_some() && free => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return me.wait();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.check_deadline()?;
        if me.flush_tls()? { Poll::Ready(Ok(())) } else { me.wait() }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.check_deadline()?;
        if let Some(tls) = &mut me.tls {
            tls.send_close_notify();
        }
        if !me.flush_tls()? {
            return me.wait();
        }
        match me.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}
