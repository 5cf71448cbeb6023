//! The `tcplog` receiver: lines of text over TCP, with TLS where that is configured.

use crate::component::{ReceiverConfig, ReceiverType};
use crate::config::Decoder;
use crate::pipeline::Signal;

use super::sockets::{Plan, TcpKeys, Transport};

pub static TYPE: ReceiverType =
    ReceiverType { name: "tcplog", aliases: &["tcp_log"], signals: &[Signal::Logs], decode };

fn decode(decoder: &mut Decoder<'_>) -> Option<Box<dyn ReceiverConfig>> {
    Some(Box::new(plan(decoder)?))
}

pub fn plan(decoder: &mut Decoder<'_>) -> Option<Plan> {
    let (keys, parts) = decoder.decode::<TcpKeys>()?.part();
    Plan::new(Transport::Tcp(Box::new(keys)), parts, None, "", &mut decoder.issues())
}
