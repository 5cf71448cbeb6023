//! How many TCP sockets, of IPv4 and IPv6, are in which state.
//!
//! The kernel's `sock_diag` tells it in one pass over its table; writing the text of
//! `/proc/net/tcp` and `tcp6` takes it many times as long on a machine with much memory, whose
//! table is large even when it is empty. The text is read where there is no `sock_diag`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with, sockopt,
};

use super::super::host::Host;
use super::super::parse::{fields, lines};
use crate::receivers::scraper::Fault;

/// States by the number the kernel has for them, less one.
pub const STATES: [&str; 11] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

pub type Counts = [u64; STATES.len()];

/// Counts sockets.
#[derive(Default)]
pub struct Sockets {
    way: Option<Way>,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Diag,
    Text,
}

impl Sockets {
    pub fn count(&mut self, host: &mut Host) -> Result<Counts, Fault> {
        let way = *self.way.get_or_insert_with(|| if is_own_network(host) { Way::Diag } else { Way::Text });
        if way == Way::Diag {
            match self.ask() {
                Ok(counts) => return Ok(counts),
                Err(error) => {
                    log::debug!("no sock_diag ({error}): reading /proc/net/tcp instead");
                    self.way = Some(Way::Text);
                }
            }
        }
        let mut counts = Counts::default();
        count_text(host.read("net/tcp")?, &mut counts);
        // A kernel without IPv6 has no such file.
        if let Ok(text) = host.read("net/tcp6") {
            count_text(text, &mut counts);
        }
        Ok(counts)
    }

    fn ask(&mut self) -> io::Result<Counts> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        sendto(&socket, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        self.buffer.resize(BUFFER, 0);
        let mut counts = Counts::default();
        while !self.receive(&socket, &mut counts)? {}
        Ok(counts)
    }

    /// Takes one datagram; true when the kernel has told all.
    fn receive(&mut self, socket: &OwnedFd, counts: &mut Counts) -> io::Result<bool> {
        let length = loop {
            match recv(socket, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((_, length)) => break length,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        count_messages(self.buffer.get(..length).unwrap_or_default(), counts)
    }
}

const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);
const BUFFER: usize = 64 << 10;

const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The older request of `sock_diag`: the one that asks for IPv4 and IPv6 at once.
const TCPDIAG_GETSOCK: u16 = 18;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
/// All states from ESTABLISHED to NEW_SYN_RECV, a bit each.
const ALL_STATES: u32 = 0x1ffe;

/// `nlmsghdr` and `inet_diag_req`.
fn request() -> [u8; 76] {
    let mut request = [0; 76];
    request[..4].copy_from_slice(&76_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&TCPDIAG_GETSOCK.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    // Sequence and port, then 52 bytes of family, lengths and addresses that match any socket.
    request[68..72].copy_from_slice(&ALL_STATES.to_ne_bytes());
    request
}

/// Counts the `inet_diag_msg` in a datagram; true when the last one was in it.
fn count_messages(mut datagram: &[u8], counts: &mut Counts) -> io::Result<bool> {
    if datagram.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    while let Some(header) = datagram.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let message = datagram.get(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match u16::from_ne_bytes([header[4], header[5]]) {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = message.first_chunk::<4>().map_or(0, |code| i32::from_ne_bytes(*code));
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            // The state is the second byte.
            _ => {
                if let Some(count) = message.get(1).and_then(|state| place(*state)) {
                    counts[count] += 1;
                }
            }
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Counts the sockets in `/proc/net/tcp`: `sl local remote st …`, the state in hexadecimal.
fn count_text(text: &[u8], counts: &mut Counts) {
    for line in lines(text).skip(1) {
        let state = fields(line)
            .nth(3)
            .and_then(|state| std::str::from_utf8(state).ok())
            .and_then(|state| u8::from_str_radix(state, 16).ok());
        if let Some(place) = state.and_then(place) {
            counts[place] += 1;
        }
    }
}

fn place(state: u8) -> Option<usize> {
    let place = usize::from(state).checked_sub(1)?;
    (place < STATES.len()).then_some(place)
}

/// Whether the host's `/proc/net` is that of this process: what a socket of our own can tell about.
fn is_own_network(host: &Host) -> bool {
    let seen = std::fs::read_link(host.paths.proc.join("self/ns/net"));
    let own = std::fs::read_link("/proc/self/ns/net");
    matches!((seen, own), (Ok(seen), Ok(own)) if seen == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_states_and_passes_over_what_it_does_not_know() {
        let text = b"  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0:0\n   1: a b 01\n   2: a b FF\n   3: a b\n   4: a b zz\n   5: a b 04";
        let mut counts = Counts::default();
        count_text(text, &mut counts);
        assert_eq!((counts[9], counts[0], counts[3]), (1, 1, 1));
        assert_eq!(counts.iter().sum::<u64>(), 3);
    }

    #[test]
    fn a_broken_datagram_is_an_error_and_never_a_loop() {
        let mut counts = Counts::default();
        assert!(count_messages(&[], &mut counts).is_err());
        assert!(count_messages(&[0; 16], &mut counts).is_err());
        assert!(count_messages(&[255; 40], &mut counts).is_err());
        assert!(!count_messages(&[1; 8], &mut counts).unwrap());
    }
}
