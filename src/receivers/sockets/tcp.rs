//! Connections: one loop accepts, reads and, with TLS, answers them all. A client that is slow costs
//! its buffer and nothing else.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ServerConfig, ServerConnection};

use crate::component::BuildError;
use crate::pipeline::Stop;
use crate::telemetry::Causes;

use super::super::filelog::entry::Source;
use super::super::filelog::handoff::Now;
use super::framing::Cut;
use super::listen;
use super::meters::Meters;
use super::peer::Names;
use super::receiver::Settings;
use super::records::Records;

/// Connections at a time. For one more the one that was silent for longest has to go.
const CONNECTIONS: usize = 1024;
/// A connection may be put out for another when it was silent for so long.
const SILENT: Duration = Duration::from_mins(1);
/// Bytes of all unfinished records.
const BUFFERED: usize = 32 << 20;
/// Bytes of one read.
const CHUNK: usize = 64 << 10;
/// Reads of one connection before the others have their turn.
const READS: usize = 4;
/// A TLS handshake has to be done by then.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A record whose end only the next one shows is sent when that does not come.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a request to stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(200);

pub struct TcpServer {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    settings: Arc<Settings>,
    meters: Meters,
    names: Names,
    clients: Vec<Client>,
    causes: Causes<String>,
    chunk: Vec<u8>,
    /// Accepting failed: it is tried again then.
    pause: Option<Instant>,
}

struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Box<ServerConnection>>,
    /// The unfinished record.
    buffer: Vec<u8>,
    searched: usize,
    source: Arc<Source>,
    since: Instant,
    heard: Instant,
    closed: bool,
}

impl TcpServer {
    pub fn open(settings: Arc<Settings>, meters: Meters) -> Result<Self, BuildError> {
        let tls = match &settings.tls {
            None => None,
            Some(tls) => Some(tls.build(&[]).map_err(|error| BuildError::new(format!("tls: {error}")))?),
        };
        let addresses = listen::addresses(&settings.address)?;
        let refused = |error| listen::refused(&settings.address, &error);
        let listener = TcpListener::bind(&addresses[..]).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let (names, clients, causes) = (Names::default(), Vec::new(), Causes::new());
        Ok(Self {
            listener,
            tls,
            settings,
            meters,
            names,
            clients,
            causes,
            chunk: vec![0; CHUNK],
            pause: None,
        })
    }

    #[cfg(test)]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket")
    }

    pub fn run(mut self, records: &mut Records, stop: &Stop) -> io::Result<()> {
        while !stop.is_raised() {
            let ready = self.wait(records.deadline())?;
            let now = Now::get();
            for (place, ready) in ready.iter().enumerate() {
                if *ready {
                    self.read(place, records, now);
                }
            }
            self.accept(now);
            self.tidy(records, now);
            records.tick(now.instant);
            records.flush();
        }
        let now = Now::get();
        for place in 0..self.clients.len() {
            // What has arrived is taken along.
            self.read(place, records, now);
            self.close(place, records, now);
        }
        records.finish(now.instant);
        Ok(())
    }

    /// Waits for something to do; says which clients have something.
    fn wait(&self, deadline: Option<Instant>) -> io::Result<Vec<bool>> {
        let now = Instant::now();
        let unfinished = self.clients.iter().filter(|client| !client.buffer.is_empty());
        let flush = unfinished
            .map(|client| client.heard + PATIENCE)
            .filter(|_| self.settings.framing.waits_for_next());
        let until = flush.chain(deadline).fold(now + STOP_CHECK, Instant::min);
        let left = until.saturating_duration_since(now);
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds = Vec::with_capacity(self.clients.len() + 1);
        for client in &self.clients {
            let wants_write = client.tls.as_ref().is_some_and(|tls| tls.wants_write());
            let flags = if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            fds.push(PollFd::from_borrowed_fd(client.stream.as_fd(), flags));
        }
        if self.pause.is_none() {
            fds.push(PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        fds.truncate(self.clients.len());
        Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
    }

    fn accept(&mut self, now: Now) {
        self.pause = self.pause.filter(|until| *until > now.instant);
        while self.pause.is_none() {
            let (stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Out of file descriptors, mostly: connections wait in the kernel.
                    self.warn(format!("cannot accept connections: {error}"));
                    self.pause = Some(now.instant + PATIENCE);
                    return;
                }
            };
            if self.clients.len() >= CONNECTIONS && !self.make_room(now.instant) {
                self.meters.turned_away.add(1);
                self.warn(format!("more than {CONNECTIONS} connections: further ones are closed"));
                continue;
            }
            let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
            let tls = self.tls.as_ref().map(|config| ServerConnection::new(Arc::clone(config)).map(Box::new));
            let (Ok(()), Ok(tls)) = (stream.set_nonblocking(true), tls.transpose()) else { continue };
            let more = match stream.local_addr() {
                Ok(host) if self.settings.add_attributes => {
                    self.names.attributes("IP.TCP", peer, host, now.instant)
                }
                _ => Vec::new(),
            };
            self.clients.push(Client {
                stream,
                peer,
                tls,
                buffer: Vec::new(),
                searched: 0,
                source: self.settings.shaping.source(1, String::new(), more),
                since: now.instant,
                heard: now.instant,
                closed: false,
            });
        }
    }

    /// Puts out the connection that was silent for longest; false when none was for long.
    fn make_room(&mut self, now: Instant) -> bool {
        let silent =
            |client: &&mut Client| client.buffer.is_empty() && now.duration_since(client.heard) > SILENT;
        let Some(client) = self.clients.iter_mut().filter(silent).min_by_key(|client| client.heard) else {
            return false;
        };
        client.closed = true;
        self.meters.turned_away.add(1);
        self.clients.retain(|client| !client.closed);
        true
    }

    /// Reads what the client has sent.
    fn read(&mut self, place: usize, records: &mut Records, now: Now) {
        for _ in 0..READS {
            let client = &mut self.clients[place];
            match client.read(&mut self.chunk) {
                Ok(Got::Nothing) => return,
                Ok(Got::Text) => {
                    client.heard = now.instant;
                    self.cut(place, records, now, false);
                }
                Ok(Got::End) => return self.close(place, records, now),
                Err(error) => {
                    if client.tls.is_some() && error.kind() == io::ErrorKind::InvalidData {
                        let peer = client.peer.ip();
                        self.meters.failed_tls.add(1);
                        self.warn(format!("{peer}: TLS failed: {error}"));
                    }
                    return self.close(place, records, now);
                }
            }
            if self.clients[place].closed {
                return;
            }
        }
    }

    /// Takes all records that are complete, with `last` also the rest.
    fn cut(&mut self, place: usize, records: &mut Records, now: Now, last: bool) {
        let Self { settings, clients, meters, .. } = self;
        let client = &mut clients[place];
        let mut at = 0;
        let mut broken = false;
        loop {
            let rest = &client.buffer[at..];
            let (record, next) =
                match settings.framing.cut(rest, client.searched, settings.max, settings.encoding, last) {
                    Cut::Record { start, end, next } => (&rest[start..end], next),
                    Cut::Piece(len) => {
                        meters.truncated.add(1);
                        (&rest[..len], len)
                    }
                    Cut::Wait => break,
                    Cut::Nonsense => {
                        meters.nonsense.add(rest.len() as u64);
                        (broken, at) = (true, client.buffer.len());
                        break;
                    }
                };
            records.accept(&client.source, record, now);
            client.searched = 0;
            at += next;
        }
        client.buffer.drain(..at);
        client.searched = settings.framing.searched(&client.buffer);
        if client.buffer.is_empty() && client.buffer.capacity() > CHUNK {
            client.buffer = Vec::new();
        }
        if broken {
            client.closed = true;
            let peer = client.peer.ip();
            self.warn(format!(
                "{peer} does not send what enable_octet_counting expects: its connection is closed"
            ));
        }
    }

    fn close(&mut self, place: usize, records: &mut Records, now: Now) {
        self.cut(place, records, now, true);
        self.clients[place].closed = true;
    }

    /// Closes what is over, and sends unfinished records that are due or too many.
    fn tidy(&mut self, records: &mut Records, now: Now) {
        let mut buffered: usize = self.clients.iter().map(|client| client.buffer.len()).sum();
        for place in 0..self.clients.len() {
            let client = &mut self.clients[place];
            let handshakes = client.tls.as_ref().is_some_and(|tls| tls.is_handshaking());
            if handshakes && now.instant.duration_since(client.since) > HANDSHAKE {
                self.meters.failed_tls.add(1);
                client.closed = true;
                continue;
            }
            let due = self.settings.framing.waits_for_next() && client.heard + PATIENCE <= now.instant;
            let len = client.buffer.len();
            if len > 0 && (due || (buffered > BUFFERED && len > CHUNK)) {
                if !due {
                    self.meters.truncated.add(1);
                }
                self.cut(place, records, now, true);
                buffered -= len;
            }
        }
        self.clients.retain(|client| !client.closed);
        self.meters.connections.set(self.clients.len() as u64);
    }

    fn warn(&self, cause: String) {
        if self.causes.is_new(cause.clone()) {
            log::warn!("{}: {cause}", self.settings.address);
        }
    }
}

enum Got {
    Nothing,
    Text,
    End,
}

impl Client {
    /// Reads once into the buffer.
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<Got> {
        let Some(tls) = &mut self.tls else {
            return match self.stream.read(chunk) {
                Ok(0) => Ok(Got::End),
                Ok(read) => {
                    self.buffer.extend_from_slice(&chunk[..read]);
                    Ok(Got::Text)
                }
                Err(error) => nothing(error),
            };
        };
        let ended = match tls.read_tls(&mut self.stream) {
            Ok(read) => read == 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => return Err(error),
        };
        let processed = tls.process_new_packets();
        while tls.wants_write() {
            // A client that does not take its answers will not get far; it is no reason to wait.
            if tls.write_tls(&mut self.stream).is_err() {
                break;
            }
        }
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let before = self.buffer.len();
        let mut over = ended;
        loop {
            match tls.reader().read(chunk) {
                Ok(0) => over = true,
                Ok(read) => {
                    self.buffer.extend_from_slice(&chunk[..read]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The connection was cut without a word.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => over = true,
                Err(error) => return Err(error),
            }
            break;
        }
        Ok(match (self.buffer.len() > before, over) {
            (_, true) => Got::End,
            (true, false) => Got::Text,
            (false, false) => Got::Nothing,
        })
    }
}

fn nothing(error: io::Error) -> io::Result<Got> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Got::Nothing),
        _ => Err(error),
    }
}
