//! One signal's way to the backend: encode, compress, call.

use std::time::Duration;

use prost::Message;
use ureq::http::{HeaderMap, HeaderValue, header};

use super::OtlpConfig;
use crate::component::{Context, ExportError, Exporter};
use crate::exporters::otlphttp::user_agent;
use crate::exporters::packing::Packer;
use crate::exporters::rejected::Rejections;
use crate::net::compression::Codec;
use crate::net::grpc::client::{Call, CallError, Channel, Target};
use crate::net::grpc::{Code, Status, message};
use crate::otlp::export::ExportResponse;
use crate::pipeline::{Batch, Signal, Stop};

pub(super) struct Client {
    channel: Channel,
    headers: HeaderMap,
    path: &'static str,
    packer: Packer,
    compressed: bool,
    timeout: Option<Duration>,
    rejections: Rejections,
}

impl Client {
    pub(super) fn new(config: &OtlpConfig, context: &Context, signal: Signal) -> Result<Self, String> {
        let (address, secure) = config.address()?;
        let plaintext = secure != Some(true) && config.tls.is_plaintext();
        let tls = match plaintext {
            true => None,
            false => Some(config.tls.build(&[b"h2"]).map_err(|error| format!("tls: {error}"))?),
        };
        let authority = if config.authority.is_empty() { address.clone() } else { config.authority.clone() };
        let codec = config.codec()?;
        Ok(Self {
            channel: Channel::new(Target {
                address,
                authority,
                tls,
                keepalive: config.keepalive.as_ref().map(|keepalive| (keepalive.time, keepalive.timeout)),
            }),
            headers: headers(config, context, codec)?,
            path: match signal {
                Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            },
            packer: Packer::new(codec.map(|codec| (codec, 0))),
            compressed: codec.is_some(),
            timeout: (!config.timeout.is_zero()).then_some(config.timeout),
            rejections: Rejections::new(context, signal),
        })
    }
}

fn headers(config: &OtlpConfig, context: &Context, codec: Option<Codec>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let agent = HeaderValue::try_from(user_agent(context)).map_err(|error| error.to_string())?;
    headers.insert(header::USER_AGENT, agent);
    headers.extend(config.headers.to_map()?);
    // These say what the body is, and nobody knows that better.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let encoding = match codec {
        None => return Ok(headers),
        Some(Codec::SnappyFramed) => "snappy",
        Some(codec) => codec.name(),
    };
    headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
    Ok(headers)
}

impl Exporter for Client {
    fn export(&self, batch: &Batch, stop: &Stop) -> Result<(), ExportError> {
        let packed = self.packer.pack_request(batch).map_err(|error| ExportError::Permanent {
            message: format!("cannot compress the request: {error}"),
        })?;
        let message = message::framed(&packed, self.compressed);
        drop(packed);
        let call = Call { path: self.path, headers: self.headers.clone(), message, timeout: self.timeout };
        let answer = self.channel.unary(call, stop).map_err(judge)?;
        let response = ExportResponse::decode(&answer[..]).map_err(|error| ExportError::Permanent {
            message: format!("cannot read the answer: {error}"),
        })?;
        if let Some(partial) = response.partial_success
            && (partial.rejected > 0 || !partial.error_message.is_empty())
        {
            let text: String = partial.error_message.chars().filter(|c| !c.is_control()).take(512).collect();
            self.rejections.note(partial.rejected.max(0) as u64, &text);
        }
        Ok(())
    }

    fn sends_encoded(&self) -> bool {
        true
    }

    fn interrupt(&self) {
        self.channel.close();
    }
}

/// Tells what to try again from what not.
fn judge(error: CallError) -> ExportError {
    let status = match error {
        CallError::Stopped => return ExportError::Stopped,
        CallError::Transport(message) => return ExportError::Retry { message, after: None },
        CallError::Status(status) => status,
    };
    let message = status.to_string();
    match status {
        Status {
            code:
                Code::Canceled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss,
            retry_after,
            ..
        } => ExportError::Retry { message, after: retry_after },
        Status { code: Code::ResourceExhausted, retry_after: Some(after), .. } => {
            ExportError::Retry { message, after: Some(after) }
        }
        // What gRPC servers say about a message beyond their limit.
        Status { code: Code::ResourceExhausted, message: text, .. } if text.contains("larger than max") => {
            ExportError::TooLarge { message }
        }
        _ => ExportError::Permanent { message },
    }
}
