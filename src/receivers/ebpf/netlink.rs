//! Lists that the kernel gives over netlink, and the pieces that its messages are made of.
//!
//! Answers are not taken at their word: a message or an attribute that says it is longer than what came
//! ends the list.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
    sockopt,
};

/// A socket for questions to one part of the kernel.
pub struct Netlink {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

/// One message of an answer.
#[derive(Debug)]
struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const REQUEST_DUMP: u16 = 0x301;
const HEADER: usize = 16;
/// Flags in the kind of an attribute: it holds others, or is in network byte order.
const KIND: u16 = 0x3fff;
const PATIENCE: Duration = Duration::from_millis(500);

impl Netlink {
    /// `None` is the part for routes and addresses.
    pub fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, buffer: vec![0; 64 << 10], sequence: 0 })
    }

    /// Asks for a list; `each` gets kind and body of every message of the answer.
    pub fn list(&mut self, kind: u16, question: &[u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = Vec::with_capacity(HEADER + question.len());
        request.extend(((HEADER + question.len()) as u32).to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend(REQUEST_DUMP.to_ne_bytes());
        request.extend(self.sequence.to_ne_bytes());
        request.extend(0_u32.to_ne_bytes());
        request.extend(question);
        send(&self.socket, &request, SendFlags::empty())?;
        loop {
            let (_, length) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
            let mut rest = &self.buffer[..length.min(self.buffer.len())];
            if rest.is_empty() {
                return Ok(());
            }
            while let Some(message) = next_message(&mut rest) {
                // An answer to an earlier question that was given up on.
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => {
                        let code = message.body.get(..4).and_then(|code| code.try_into().ok());
                        let code = code.map_or(0, i32::from_ne_bytes).wrapping_neg();
                        return Err(io::Error::from_raw_os_error(code));
                    }
                    kind => each(kind, message.body),
                }
            }
        }
    }
}

fn next_message<'a>(rest: &mut &'a [u8]) -> Option<Message<'a>> {
    let bytes = *rest;
    let length = u32_at(bytes, 0)? as usize;
    let body = bytes.get(HEADER..length)?;
    *rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(Message { kind: u16_at(bytes, 4)?, sequence: u32_at(bytes, 8)?, body })
}

/// Kind and value of each attribute, until one is not whole.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let value = rest.get(4..length)?;
        let kind = u16_at(rest, 2)? & KIND;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// An address of that many bytes; of IPv4 also when it is mapped.
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(v6)).to_canonical())
}

pub fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(place..place + 2)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(place..place + 4)?.try_into().ok()?))
}

pub fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(place..place + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_answer_is_read_to_its_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut rest = &bytes[..];
            let mut before = rest.len() + 1;
            while next_message(&mut rest).is_some() {
                prop_assert!(rest.len() < before);
                before = rest.len();
            }
            prop_assert!(attributes(&bytes).count() <= bytes.len() / 4);
            let _ = address(&bytes);
        }
    }
}
