//! The keys of both transports, and their checks.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::types::{ByteSize, section};
use crate::config::{ComponentId, Issues, Node};
use crate::net::tls::ServerTls;

use super::super::filelog::Multiline;
use super::super::filelog::encoding::Encoding;
use super::super::filelog::operators::Site;
use super::super::filelog::plan::{Check, splitter};
use super::super::filelog::split::{Splitter, Trim};
use super::super::records::{RetryOnFailure, Shaping};
use super::framing::Framing;
use super::receiver::{Plan, Settings};

/// The smallest `max_log_size`.
const LEAST: u64 = 64 << 10;

/// Declares a section of keys that may stand alone, or beside those of the whole receiver.
macro_rules! keys {
    ($(#[$doc:meta])* $keys:ident, $section:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $($(#[$field_doc])* pub $field: $type,)*
        }
        impl Default for $section {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
        /// The same beside the keys that every receiver of logs has.
        #[derive(Debug, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $keys {
            $($(#[$field_doc])* pub $field: $type,)*
            pub attributes: BTreeMap<String, String>,
            pub resource: BTreeMap<String, String>,
            pub operators: Vec<Node>,
            /// Accepted; nothing is kept: who sends through a socket does not send again.
            pub storage: Option<String>,
            pub retry_on_failure: RetryOnFailure,
        }
        impl Default for $keys {
            fn default() -> Self {
                let $section { $($field,)* } = $section::default();
                Self {
                    $($field,)*
                    attributes: BTreeMap::new(),
                    resource: BTreeMap::new(),
                    operators: Vec::new(),
                    storage: None,
                    retry_on_failure: RetryOnFailure::default(),
                }
            }
        }
        impl $keys {
            /// The transport's keys, and the others.
            pub fn part(self) -> ($section, Parts) {
                let parts = Parts {
                    own: Vec::new(),
                    attributes: self.attributes,
                    resource: self.resource,
                    operators: self.operators,
                    storage: self.storage,
                    retry: self.retry_on_failure,
                };
                ($section { $($field: self.$field,)* }, parts)
            }
        }
    };
}

keys! {
    /// Keys of a TCP listener.
    TcpKeys, TcpSection {
        /// `host:port`
        listen_address: String = String::new(),
        /// Longer records are cut into several.
        max_log_size: ByteSize = ByteSize(1 << 20),
        #[serde(deserialize_with = "section")]
        tls: Option<ServerTls> = None,
        /// Attributes about both ends of the connection.
        add_attributes: bool = false,
        /// A record is what comes until the connection is closed.
        one_log_per_packet: bool = false,
        encoding: String = "utf-8".to_owned(),
        #[serde(deserialize_with = "section")]
        multiline: Option<Multiline> = None,
        preserve_leading_whitespaces: bool = false,
        preserve_trailing_whitespaces: bool = false,
    }
}

keys! {
    /// Keys of a UDP listener.
    UdpKeys, UdpSection {
        /// `host:port`
        listen_address: String = String::new(),
        /// Attributes about both ends.
        add_attributes: bool = false,
        /// A datagram is a record, whatever `multiline` says.
        one_log_per_packet: bool = false,
        encoding: String = "utf-8".to_owned(),
        #[serde(deserialize_with = "section")]
        multiline: Option<Multiline> = None,
        preserve_leading_whitespaces: bool = false,
        preserve_trailing_whitespaces: bool = false,
        /// Accepted; one thread reads, and waiting datagrams are in the kernel's buffer.
        #[serde(rename = "async", deserialize_with = "section")]
        asynchronous: Option<AsyncConfig> = None,
    }
}

/// Threads and queue of the collector's UDP input.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AsyncConfig {
    pub readers: u64,
    pub processors: u64,
    pub max_queue_length: u64,
}

impl Default for AsyncConfig {
    fn default() -> Self {
        Self { readers: 1, processors: 1, max_queue_length: 100 }
    }
}

/// The keys that every receiver of logs has.
#[derive(Default)]
pub struct Parts {
    /// Operators of the receiver itself, before those of the user.
    pub own: Vec<Node>,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    pub operators: Vec<Node>,
    pub storage: Option<String>,
    pub retry: RetryOnFailure,
}

/// A transport's keys, and where they are in the receiver's section.
pub enum Transport {
    Tcp(Box<TcpSection>),
    Udp(UdpSection),
}

impl Plan {
    /// Checks everything. `framing` replaces that of the transport; `path` is where its keys are, with
    /// `::` at its end, or empty.
    pub fn new(
        transport: Transport,
        parts: Parts,
        framing: Option<Framing>,
        path: &str,
        issues: &mut Issues<'_>,
    ) -> Option<Self> {
        let mut check = Check { issues, sound: true };
        let key = |name: &str| format!("{path}{name}");
        let is_udp = matches!(transport, Transport::Udp(_));
        let (section, max, tls) = match transport {
            Transport::Tcp(tcp) => {
                let udp = UdpSection {
                    listen_address: tcp.listen_address,
                    add_attributes: tcp.add_attributes,
                    one_log_per_packet: tcp.one_log_per_packet,
                    encoding: tcp.encoding,
                    multiline: tcp.multiline,
                    preserve_leading_whitespaces: tcp.preserve_leading_whitespaces,
                    preserve_trailing_whitespaces: tcp.preserve_trailing_whitespaces,
                    asynchronous: None,
                };
                (udp, tcp.max_log_size.0, tcp.tls)
            }
            Transport::Udp(udp) => (udp, LEAST, None),
        };
        if section.listen_address.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            check.error(&key("listen_address"), "must be an address to listen on, such as 0.0.0.0:54526");
        }
        if max < LEAST {
            check.error(&key("max_log_size"), format!("must be at least {LEAST}"));
        }
        if let Some(tls) = &tls {
            tls.validate(&key("tls"), check.issues);
        }
        let encoding = Encoding::by_name(&section.encoding).unwrap_or_else(|| {
            let message =
                format!("unsupported encoding '{}': use utf-8, nop or an IANA name", section.encoding);
            check.error(&key("encoding"), message);
            Encoding::Utf8
        });
        let split = match &section.multiline {
            None if is_udp => Splitter::Chunks,
            multiline => splitter(multiline.as_ref(), encoding, &mut check),
        };
        let framing = match framing {
            Some(framing) => framing,
            None if section.one_log_per_packet && is_udp => Framing::Split(Splitter::Chunks),
            None if section.one_log_per_packet => Framing::Whole,
            None => Framing::Split(split),
        };
        if let Some(storage) = &parts.storage {
            check.ok("storage", storage.parse::<ComponentId>());
        }
        let site = Site {
            first: true,
            trim_end: !section.preserve_trailing_whitespaces,
            utf8: encoding == Encoding::Utf8,
        };
        let shaping = check.some(|issues| {
            Shaping::decode(&parts.own, &parts.attributes, &parts.resource, &parts.operators, site, issues)
        });
        if !check.sound {
            return None;
        }
        let shaping = shaping?;
        let trim_end = site.trim_end && !shaping.operators.takes_raw();
        Some(Self::of(Settings {
            address: section.listen_address,
            is_udp,
            tls,
            framing,
            trim: Trim { start: !section.preserve_leading_whitespaces, end: trim_end, encoding },
            encoding,
            max: usize::try_from(max).unwrap_or(usize::MAX),
            add_attributes: section.add_attributes,
            shaping,
            retry: parts.retry,
        }))
    }
}
