//! One tracked connection, as the kernel tells it over netlink.

use std::net::IpAddr;

use super::super::kernel::records::Traffic;
use super::super::netlink::{address, attributes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub original: Tuple,
    /// What packets in answer have: the source is who really answers.
    pub reply: Tuple,
    /// Of both directions; `None`: nobody counts.
    pub counted: Option<[Traffic; 2]>,
    pub zone: u16,
    pub id: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    pub protocol: u8,
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
}

/// `struct nfgenmsg`.
const FIXED: usize = 4;
const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const COUNTERS_ORIGINAL: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const ID: u16 = 12;
const ZONE: u16 = 18;

impl Entry {
    /// A message without its header.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (mut original, mut reply, mut sent, mut received) = (None, None, None, None);
        let (mut zone, mut id) = (0, 0);
        for (kind, value) in attributes(body.get(FIXED..)?) {
            match kind {
                TUPLE_ORIGINAL => original = tuple(value),
                TUPLE_REPLY => reply = tuple(value),
                COUNTERS_ORIGINAL => sent = counters(value),
                COUNTERS_REPLY => received = counters(value),
                ID => id = u32::from_be_bytes(value.try_into().ok()?),
                ZONE => zone = u16::from_be_bytes(value.try_into().ok()?),
                _ => {}
            }
        }
        Some(Self {
            original: original?,
            reply: reply?,
            counted: sent.zip(received).map(<[_; 2]>::from),
            zone,
            id,
        })
    }
}

fn tuple(bytes: &[u8]) -> Option<Tuple> {
    const ADDRESSES: u16 = 1;
    const PROTOCOL: u16 = 2;
    let (mut source, mut destination, mut protocol) = (None, None, None);
    let mut ports = [0; 2];
    for (kind, value) in attributes(bytes) {
        match kind {
            ADDRESSES => {
                for (kind, value) in attributes(value) {
                    match kind {
                        1 | 3 => source = address(value),
                        2 | 4 => destination = address(value),
                        _ => {}
                    }
                }
            }
            PROTOCOL => {
                for (kind, value) in attributes(value) {
                    match kind {
                        1 => protocol = value.first().copied(),
                        2 | 3 => ports[usize::from(kind) - 2] = u16::from_be_bytes(value.try_into().ok()?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(Tuple { protocol: protocol?, source: (source?, ports[0]), destination: (destination?, ports[1]) })
}

fn counters(bytes: &[u8]) -> Option<Traffic> {
    let mut traffic = Traffic::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            1 => traffic.packets = u64::from_be_bytes(value.try_into().ok()?),
            2 => traffic.bytes = u64::from_be_bytes(value.try_into().ok()?),
            _ => {}
        }
    }
    Some(traffic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (value.len() as u16 + 4).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(with: &[Vec<u8>]) -> Vec<u8> {
        let tuple = |kind: u16, source: [u8; 4], destination: [u8; 4], ports: [u16; 2]| {
            let addresses = [attribute(1, &source), attribute(2, &destination)].concat();
            let ports = ports.map(u16::to_be_bytes);
            let protocol = [attribute(1, &[6]), attribute(2, &ports[0]), attribute(3, &ports[1])].concat();
            attribute(kind | 0x8000, &[attribute(0x8001, &addresses), attribute(0x8002, &protocol)].concat())
        };
        let mut bytes = vec![2, 0, 0, 0];
        bytes.extend(tuple(1, [10, 0, 0, 1], [10, 96, 0, 1], [40_000, 80]));
        bytes.extend(tuple(2, [10, 0, 1, 7], [10, 0, 0, 1], [8080, 40_000]));
        bytes.extend(with.concat());
        bytes
    }

    fn counters(kind: u16, packets: u64, bytes: u64) -> Vec<u8> {
        attribute(
            kind | 0x8000,
            &[attribute(1, &packets.to_be_bytes()), attribute(2, &bytes.to_be_bytes())].concat(),
        )
    }

    #[test]
    fn a_connection_is_read_with_its_counters_and_without() {
        let counted = [counters(9, 3, 180), counters(10, 2, 4000)];
        let more = [attribute(12, &77_u32.to_be_bytes()), attribute(18, &5_u16.to_be_bytes())];
        let entry = Entry::read(&message(&[counted.concat(), more.concat()])).unwrap();
        assert_eq!(entry.original.protocol, 6);
        assert_eq!(entry.original.source, ("10.0.0.1".parse().unwrap(), 40_000));
        assert_eq!(entry.reply.source, ("10.0.1.7".parse().unwrap(), 8080));
        let [sent, received] = entry.counted.unwrap();
        assert_eq!((sent.packets, sent.bytes, received.packets, received.bytes), (3, 180, 2, 4000));
        assert_eq!((entry.id, entry.zone), (77, 5));
        assert_eq!(Entry::read(&message(&[])).unwrap().counted, None);
        assert_eq!(Entry::read(&[2, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn any_message_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Entry::read(&bytes);
        }

        #[test]
        fn a_message_that_is_cut_off_or_damaged_is_read_without_a_panic(
            length in 0_usize..200, place in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = message(&[counters(9, 1, 2), counters(10, 3, 4)]);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(length);
            let _ = Entry::read(&bytes);
        }
    }
}
