//! Logs from sockets: what the `tcplog`, `udplog` and `syslog` receivers have in common. One thread
//! a receiver serves all its clients.
//!
//! ```text
//! tcp (accept, poll, TLS) ─► framing ─┐
//!                                     ├─► records (decode, operators, batch) ─► pipeline
//! udp (datagrams) ────────────────────┘
//! ```

mod config;
mod delivery;
mod framing;
mod listen;
mod meters;
mod peer;
mod receiver;
mod records;
mod tcp;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod udp;

pub use config::{AsyncConfig, Parts, TcpKeys, TcpSection, Transport, UdpKeys, UdpSection};
pub use framing::Framing;
pub use receiver::Plan;
