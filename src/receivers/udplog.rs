//! The `udplog` receiver: datagrams of text.

use crate::component::{ReceiverConfig, ReceiverType};
use crate::config::Decoder;
use crate::pipeline::Signal;

use super::sockets::{Plan, Transport, UdpKeys};

pub static TYPE: ReceiverType =
    ReceiverType { name: "udplog", aliases: &["udp_log"], signals: &[Signal::Logs], decode };

fn decode(decoder: &mut Decoder<'_>) -> Option<Box<dyn ReceiverConfig>> {
    Some(Box::new(plan(decoder)?))
}

pub fn plan(decoder: &mut Decoder<'_>) -> Option<Plan> {
    let (keys, parts) = decoder.decode::<UdpKeys>()?.part();
    Plan::new(Transport::Udp(keys), parts, None, "", &mut decoder.issues())
}
