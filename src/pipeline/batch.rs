//! The unit that moves through the agent.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use prost::Message;

use super::{Ack, Content, split};
use crate::otlp::encode;
use crate::otlp::logs::ResourceLogs;
use crate::otlp::metrics::ResourceMetrics;
use crate::otlp::trace::ResourceSpans;

/// The kinds of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    Logs,
    Metrics,
    Traces,
}

impl Signal {
    pub const ALL: [Self; 3] = [Self::Logs, Self::Metrics, Self::Traces];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }

    /// What one item of the signal is called in the agent's own metric names.
    pub const fn items(self) -> &'static str {
        match self {
            Self::Logs => "log_records",
            Self::Metrics => "metric_points",
            Self::Traces => "spans",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The telemetry in a batch: the body of an OTLP export request.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Logs(Vec<ResourceLogs>),
    Metrics(Vec<ResourceMetrics>),
    Traces(Vec<ResourceSpans>),
}

impl Data {
    pub fn signal(&self) -> Signal {
        match self {
            Self::Logs(_) => Signal::Logs,
            Self::Metrics(_) => Signal::Metrics,
            Self::Traces(_) => Signal::Traces,
        }
    }

    /// Telemetry without an item.
    pub fn empty(signal: Signal) -> Self {
        match signal {
            Signal::Logs => Self::Logs(Vec::new()),
            Signal::Metrics => Self::Metrics(Vec::new()),
            Signal::Traces => Self::Traces(Vec::new()),
        }
    }

    /// Log records, data points or spans.
    pub fn items(&self) -> usize {
        match self {
            Self::Logs(all) => all.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum(),
            Self::Metrics(all) => all
                .iter()
                .flat_map(|r| &r.scope_metrics)
                .flat_map(|s| &s.metrics)
                .map(|m| m.data.as_ref().map_or(0, crate::otlp::metrics::Data::len))
                .sum(),
            Self::Traces(all) => all.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum(),
        }
    }

    /// Size of the encoded export request in bytes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Logs(all) => prost::encoding::message::encoded_len_repeated(1, all),
            Self::Metrics(all) => prost::encoding::message::encoded_len_repeated(1, all),
            Self::Traces(all) => prost::encoding::message::encoded_len_repeated(1, all),
        }
    }

    /// Appends the encoded export request (`Export*ServiceRequest`) to `buf`.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        match self {
            Self::Logs(all) => encode::request(all, buf),
            Self::Metrics(all) => encode::request(all, buf),
            Self::Traces(all) => encode::request(all, buf),
        }
    }

    /// Decodes an export request.
    pub fn decode(signal: Signal, body: &[u8]) -> Result<Self, prost::DecodeError> {
        use crate::otlp::export::{
            ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest,
        };
        Ok(match signal {
            Signal::Logs => Self::Logs(ExportLogsServiceRequest::decode(body)?.resource_logs),
            Signal::Metrics => Self::Metrics(ExportMetricsServiceRequest::decode(body)?.resource_metrics),
            Signal::Traces => Self::Traces(ExportTraceServiceRequest::decode(body)?.resource_spans),
        })
    }
}

/// Batches of one lane are exported one after another, in order; batches without one, or of
/// different lanes, may overtake each other. File receivers ask for one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane(pub u64);

/// Telemetry on its way, with the acknowledgement of its source.
///
/// A clone shares the data; [`Batch::data_mut`] copies it only when it is shared. What came over the
/// wire is decoded when somebody looks: counting, merging, storing and sending do not.
#[derive(Clone, Debug)]
pub struct Batch {
    content: Arc<Content>,
    pub ack: Ack,
    pub lane: Option<Lane>,
    /// Address of the client that sent it, for batches from the network that were not merged.
    pub peer: Option<IpAddr>,
}

impl Batch {
    pub fn new(content: impl Into<Content>, ack: Ack) -> Self {
        Self { content: Arc::new(content.into()), ack, lane: None, peer: None }
    }

    /// Says how many bytes it takes when encoded, roughly, so that nobody walks it to plan with it.
    pub fn of_about(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.content).set_rough_len(bytes);
        self
    }

    pub fn in_lane(mut self, lane: Option<Lane>) -> Self {
        self.lane = lane;
        self
    }

    pub fn data(&self) -> &Data {
        self.content.data()
    }

    pub fn data_mut(&mut self) -> &mut Data {
        Arc::make_mut(&mut self.content).data_mut()
    }

    /// Appends the telemetry of `other` without looking at it; hands it back when one of the two was
    /// decoded. The acknowledgement of `other` is returned.
    pub fn append_encoded(&mut self, mut other: Self) -> Result<Ack, Self> {
        let ack = std::mem::take(&mut other.ack);
        let peer = other.peer;
        let content = Arc::unwrap_or_clone(other.content);
        match Arc::make_mut(&mut self.content).append_encoded(content) {
            Ok(()) => {
                self.peer = self.peer.filter(|own| Some(*own) == peer);
                Ok(ack)
            }
            Err(content) => Err(Self { content: Arc::new(content), ack, ..other }),
        }
    }

    /// Appends the telemetry of `other`, whose acknowledgement is returned.
    pub fn append(&mut self, other: Self) -> Ack {
        self.append_encoded(other).unwrap_or_else(|other| {
            let (data, ack, _) = other.into_parts();
            self.peer = None;
            split::merge(self.data_mut(), data);
            ack
        })
    }

    /// Takes everything after the first `items` items out, as a batch with a share of the
    /// acknowledgement.
    pub fn split_off(&mut self, items: usize) -> Self {
        let rest = Arc::make_mut(&mut self.content).split_off(items);
        Self { content: Arc::new(rest), ack: self.ack.clone(), ..*self }
    }

    /// Takes the batch apart; copies the data only when it is shared.
    pub fn into_parts(self) -> (Data, Ack, Option<Lane>) {
        (Arc::unwrap_or_clone(self.content).into_data(), self.ack, self.lane)
    }

    pub fn signal(&self) -> Signal {
        self.content.signal()
    }

    pub fn items(&self) -> usize {
        self.content.items()
    }

    /// Size of the encoded export request in bytes: what byte limits count. Walks a decoded batch
    /// once, until it changes.
    pub fn bytes(&self) -> usize {
        self.content.encoded_len()
    }

    /// What its source said of [`Batch::bytes`], or what that was before the last change: good enough to
    /// plan with, and known without a walk.
    pub fn rough_bytes(&self) -> usize {
        self.content.rough_len()
    }

    /// Nobody had to decode it, or it was encoded again.
    pub fn is_encoded(&self) -> bool {
        self.content.is_encoded()
    }

    /// Holds nothing but the encoded export request from now on.
    pub fn pack(&mut self) {
        if let Some(packed) = self.content.packed() {
            self.content = Arc::new(packed);
        }
    }

    /// The encoded export request in pieces, when it was not decoded.
    pub fn encoded(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.content.encoded()
    }

    /// Appends the encoded export request to `buf`.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        self.content.encode(buf);
    }
}
