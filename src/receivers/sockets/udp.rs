//! Datagrams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::component::BuildError;
use crate::pipeline::Stop;

use super::super::filelog::entry::Source;
use super::super::filelog::handoff::Now;
use super::framing::Cut;
use super::listen;
use super::meters::Meters;
use super::peer::Names;
use super::receiver::Settings;
use super::records::Records;

/// The largest datagram.
const LARGEST: usize = 64 << 10;
/// Bytes of the kernel's buffer that are asked for; it may give less.
const BUFFER: usize = 4 << 20;
/// How often a request to stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(200);
/// How often the kernel is asked what it dropped.
const DROPS: Duration = Duration::from_secs(5);
/// Datagrams between two looks at the clock.
const TURN: usize = 1000;

pub struct UdpServer {
    socket: UdpSocket,
    settings: Arc<Settings>,
    meters: Meters,
    names: Names,
    source: Arc<Source>,
    dropped: u64,
}

impl UdpServer {
    pub fn open(settings: Arc<Settings>, meters: Meters) -> Result<Self, BuildError> {
        let addresses = listen::addresses(&settings.address)?;
        let socket =
            UdpSocket::bind(&addresses[..]).map_err(|error| listen::refused(&settings.address, &error))?;
        // A smaller buffer works too; what it costs is counted.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
        socket.set_nonblocking(true).map_err(|error| listen::refused(&settings.address, &error))?;
        let source = settings.shaping.source(1, String::new(), Vec::new());
        Ok(Self { socket, settings, meters, names: Names::default(), source, dropped: 0 })
    }

    #[cfg(test)]
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    pub fn run(mut self, records: &mut Records, stop: &Stop) -> io::Result<()> {
        let mut buffer = vec![0; LARGEST];
        let mut next_drops = Instant::now() + DROPS;
        while !stop.is_raised() {
            let now = Now::get();
            let drained = self.read(&mut buffer, records, now)?;
            records.tick(now.instant);
            if now.instant >= next_drops {
                self.count_drops();
                next_drops = now.instant + DROPS;
            }
            if drained {
                records.flush();
                let until = [records.deadline(), Some(now.instant + STOP_CHECK)].into_iter().flatten().min();
                self.wait(until.unwrap_or(now.instant));
            }
        }
        // What has arrived is taken along.
        self.read(&mut buffer, records, Now::get())?;
        self.count_drops();
        records.finish(Instant::now());
        Ok(())
    }

    /// Reads what has arrived; false when there may be more.
    fn read(&mut self, buffer: &mut [u8], records: &mut Records, now: Now) -> io::Result<bool> {
        for _ in 0..TURN {
            match self.socket.recv_from(buffer) {
                Ok((len, peer)) => self.take(&buffer[..len], peer, records, now)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                // Answers of routers to what was never sent from here, and signals.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn take(&mut self, datagram: &[u8], peer: SocketAddr, records: &mut Records, now: Now) -> io::Result<()> {
        if self.settings.add_attributes {
            let host = self.socket.local_addr()?;
            let attributes = self.names.attributes("IP.UDP", peer, host, now.instant);
            self.source = self.settings.shaping.source(1, String::new(), attributes);
        }
        // Senders end their datagrams with a line feed, a zero, or nothing.
        let end = datagram.iter().rposition(|byte| *byte >= 0x20).map_or(0, |last| last + 1);
        let mut rest = &datagram[..end];
        loop {
            let (record, next) =
                match self.settings.framing.cut(rest, 0, LARGEST, self.settings.encoding, true) {
                    Cut::Record { start, end, next } => (&rest[start..end], next),
                    Cut::Piece(len) => (&rest[..len], len),
                    Cut::Wait | Cut::Nonsense => return Ok(()),
                };
            records.accept(&self.source, record, now);
            rest = &rest[next..];
        }
    }

    fn wait(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        // An interrupted wait is a short one.
        let _ = poll(&mut [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)], Some(&timeout));
    }

    /// The kernel counts what it had no room for, by socket.
    fn count_drops(&mut self) {
        let Some(inode) = inode(&self.socket) else { return };
        let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
        let lines = tables.iter().filter_map(|table| std::fs::read_to_string(table).ok());
        if let Some(dropped) = lines.into_iter().find_map(|table| drops_of(&table, inode)) {
            let new = dropped.saturating_sub(self.dropped);
            self.dropped = dropped;
            if new > 0 {
                log::warn!(
                    "{new} datagrams to {} were dropped by the kernel: they came faster than the pipeline takes them",
                    self.settings.address
                );
                self.meters.overrun.add(new);
            }
        }
    }
}

fn inode(socket: &UdpSocket) -> Option<u64> {
    use std::os::fd::AsRawFd;
    std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).ok().map(|metadata| metadata.ino())
}

/// The last column of the line with that inode.
fn drops_of(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    let line = table.lines().find(|line| line.split_ascii_whitespace().nth(9) == Some(&*inode))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::drops_of;

    #[test]
    fn the_kernel_s_count_is_found_by_inode() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
                     4262: 00000000:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 81234 2 0000000000000000 17\n";
        assert_eq!(drops_of(table, 81234), Some(17));
        assert_eq!(drops_of(table, 17), None);
    }
}
