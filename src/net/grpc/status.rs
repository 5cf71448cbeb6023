//! How a call ended: `google.rpc.Status` and its way through trailers.

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};
use prost::Message;
use ureq::http::{HeaderMap, HeaderValue};

/// `google.rpc.Code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    Ok = 0,
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [Self; 17] = [
        Self::Ok,
        Self::Canceled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code of that number; one that nobody knows is [`Code::Unknown`].
    pub fn of(number: i32) -> Self {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at).copied()).unwrap_or(Self::Unknown)
    }

    /// What an answer without a gRPC status means, by its HTTP status.
    pub fn of_http(status: u16) -> Self {
        match status {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

/// The end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: Code,
    pub message: String,
    /// `RetryInfo`: when to try again.
    pub retry_after: Option<Duration>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
/// No server may ask for a longer wait, and no message is kept longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
const MOST_TEXT: usize = 1024;
/// A `grpc-status-details-bin` beyond this is not looked at.
const MOST_DETAILS: usize = 8 << 10;

impl Status {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// Asks the client to come back after `delay`.
    pub fn retry(code: Code, message: impl Into<String>, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..Self::new(code, message) }
    }

    /// The `google.rpc.Status` message.
    pub fn to_proto(&self) -> Vec<u8> {
        let details = self.retry_after.map(|delay| {
            let delay = ProtoDuration { seconds: delay.as_secs() as i64, nanos: delay.subsec_nanos() as i32 };
            Any {
                type_url: RETRY_INFO.to_owned(),
                value: RetryInfo { retry_delay: Some(delay) }.encode_to_vec(),
            }
        });
        let message = self.message.clone();
        RpcStatus { code: self.code as i32, message, details: details.into_iter().collect() }.encode_to_vec()
    }

    /// Puts it into trailers.
    pub fn to_trailers(&self, trailers: &mut HeaderMap) {
        trailers.insert("grpc-status", HeaderValue::from(self.code as i32));
        if self.code == Code::Ok {
            return;
        }
        if let Ok(message) = HeaderValue::try_from(percent_encoded(&self.message)) {
            trailers.insert("grpc-message", message);
        }
        if self.retry_after.is_some()
            && let Ok(details) = HeaderValue::try_from(BASE64_STANDARD_NO_PAD.encode(self.to_proto()))
        {
            trailers.insert("grpc-status-details-bin", details);
        }
    }

    /// What trailers say; `None` without a status in them.
    pub fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| trailers.get(name).map(HeaderValue::as_bytes);
        let number = std::str::from_utf8(text("grpc-status")?).ok().and_then(|text| text.parse().ok());
        let code = Code::of(number.unwrap_or(-1));
        let message = percent_decoded(text("grpc-message").unwrap_or_default());
        let retry_after = text("grpc-status-details-bin").and_then(retry_delay);
        Some(Self { code, message, retry_after })
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rpc error: code = {:?} desc = {}", self.code, self.message)
    }
}

fn retry_delay(details: &[u8]) -> Option<Duration> {
    if details.len() > MOST_DETAILS {
        return None;
    }
    let trimmed = details.strip_suffix(b"==").or_else(|| details.strip_suffix(b"=")).unwrap_or(details);
    let status = RpcStatus::decode(
        &BASE64_STANDARD_NO_PAD.decode(trimmed).ok().or_else(|| BASE64_STANDARD.decode(details).ok())?[..],
    )
    .ok()?;
    let info = status.details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(&info.value[..]).ok()?.retry_delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).ok()?;
    let nanos = u32::try_from(delay.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos).min(LONGEST_WAIT))
}

/// What trailers carry as it is: printable ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Text as trailers carry it, cut.
fn percent_encoded(text: &str) -> String {
    percent_encode(&text.as_bytes()[..text.len().min(MOST_TEXT)], ENCODED).to_string()
}

/// Cut, and without control characters: it goes into the log.
fn percent_decoded(text: &[u8]) -> String {
    let decoded = percent_decode(&text[..text.len().min(MOST_TEXT)]).decode_utf8_lossy();
    decoded.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_its_way_through_trailers() {
        let status =
            Status::retry(Code::ResourceExhausted, "voll: 100 %\nändern", Duration::from_millis(1500));
        let mut trailers = HeaderMap::new();
        status.to_trailers(&mut trailers);
        assert_eq!(trailers["grpc-status"], "8");
        let read = Status::from_trailers(&trailers).unwrap();
        assert_eq!(read, Status { message: "voll: 100 % ändern".into(), ..status });
    }

    #[test]
    fn cve_2026_61674_answers_of_a_hostile_server_are_bounded() {
        let mut trailers = HeaderMap::new();
        assert_eq!(Status::from_trailers(&trailers), None);
        trailers.insert("grpc-status", HeaderValue::from_static("4294967296"));
        trailers.insert("grpc-message", HeaderValue::try_from("%ZZ%e2%82".repeat(9999)).unwrap());
        trailers.insert("grpc-status-details-bin", HeaderValue::try_from("A".repeat(99_999)).unwrap());
        let status = Status::from_trailers(&trailers).unwrap();
        assert_eq!((status.code, status.retry_after), (Code::Unknown, None));
        assert!(status.message.len() < 4 * MOST_TEXT);
    }

    proptest::proptest! {
        #[test]
        fn no_trailer_makes_the_reader_panic(
            message in proptest::collection::vec(0x20_u8..0x7f, 0..100),
            details in proptest::collection::vec(0x20_u8..0x7f, 0..100),
        ) {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("8"));
            trailers.insert("grpc-message", HeaderValue::from_bytes(&message).unwrap());
            trailers.insert("grpc-status-details-bin", HeaderValue::from_bytes(&details).unwrap());
            let _ = Status::from_trailers(&trailers);
        }
    }
}
