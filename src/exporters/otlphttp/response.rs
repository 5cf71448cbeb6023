//! What the answer of a backend means. The body comes from outside: it is read up to a limit, and
//! what goes from it into the log is cut and without control characters.

use std::time::{Duration, SystemTime};

use prost::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::component::ExportError;
use crate::otlp::export::{ExportResponse, RpcStatus};
use crate::pipeline::Signal;

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// Longest text of a backend that goes into a message.
const MOST_TEXT: usize = 512;
/// No backend may ask for a longer wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The parts of an HTTP response that matter here.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub status: u16,
    pub content_type: Option<String>,
    pub retry_after: Option<String>,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

/// A success with losses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partial {
    pub rejected: u64,
    pub message: String,
}

/// Tells success from the kinds of failure; `url` is for the messages.
pub(super) fn judge(reply: &Reply, signal: Signal, url: &str) -> Result<Option<Partial>, ExportError> {
    let status = reply.status;
    if (200..300).contains(&status) {
        return partial_success(reply, signal).map_err(|error| ExportError::Permanent {
            message: format!("cannot read the answer of {url}: {error}"),
        });
    }
    let mut message =
        format!("error exporting items, request to {url} responded with HTTP Status Code {status}");
    if let Some(text) = status_message(reply) {
        message.push_str(", Message=");
        message.push_str(&text);
    }
    if let (300..400, Some(location)) = (status, &reply.location) {
        message.push_str("; redirects are not followed: set the endpoint to what it names: ");
        message.push_str(&shown(location));
    }
    Err(match status {
        413 => ExportError::TooLarge { message },
        429 | 503 => ExportError::Retry { message, after: retry_after(reply, SystemTime::now()) },
        502 | 504 => ExportError::Retry { message, after: None },
        _ => ExportError::Permanent { message },
    })
}

/// `Retry-After`: seconds, or a date.
fn retry_after(reply: &Reply, now: SystemTime) -> Option<Duration> {
    let text = reply.retry_after.as_deref()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

fn partial_success(reply: &Reply, signal: Signal) -> Result<Option<Partial>, String> {
    let (rejected, message) = match reply.content_type.as_deref() {
        Some(PROTOBUF) => {
            let response = ExportResponse::decode(&reply.body[..]).map_err(|error| error.to_string())?;
            response
                .partial_success
                .map_or((0, String::new()), |partial| (partial.rejected, partial.error_message))
        }
        Some(JSON) if !reply.body.is_empty() => {
            let response: JsonResponse =
                serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
            let partial = response.partial_success.unwrap_or_default();
            let rejected = match signal {
                Signal::Logs => partial.rejected_log_records,
                Signal::Metrics => partial.rejected_data_points,
                Signal::Traces => partial.rejected_spans,
            };
            (number(&rejected), partial.error_message)
        }
        _ => return Ok(None),
    };
    if rejected <= 0 && message.is_empty() {
        return Ok(None);
    }
    Ok(Some(Partial { rejected: rejected.max(0) as u64, message: shown(&message) }))
}

/// `Export*ServiceResponse` in JSON: 64-bit numbers may be texts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonResponse {
    partial_success: Option<JsonPartial>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonPartial {
    rejected_log_records: Value,
    rejected_data_points: Value,
    rejected_spans: Value,
    error_message: String,
}

fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// The message of the `google.rpc.Status` in the body, or a short text that stands there instead.
fn status_message(reply: &Reply) -> Option<String> {
    let message = match reply.content_type.as_deref() {
        Some(PROTOBUF) => RpcStatus::decode(&reply.body[..]).ok()?.message,
        Some(JSON) => {
            let status: Value = serde_json::from_slice(&reply.body).ok()?;
            status.get("message")?.as_str()?.to_owned()
        }
        Some(other) if other.starts_with("text/plain") => String::from_utf8_lossy(&reply.body).into_owned(),
        _ => return None,
    };
    Some(shown(message.trim())).filter(|text| !text.is_empty())
}

/// A text from outside, fit for a log line.
fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(MOST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MOST_TEXT).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, content_type: Some(content_type.into()), body: body.into(), ..Reply::default() }
    }

    fn judged(reply: &Reply) -> Result<Option<Partial>, ExportError> {
        judge(reply, Signal::Logs, "http://backend/v1/logs")
    }

    #[test]
    fn each_status_is_judged_as_the_specification_says() {
        for status in [200, 202, 204] {
            assert!(matches!(judged(&reply(status, "text/html", "hello")), Ok(None)), "{status}");
        }
        for status in [429, 502, 503, 504] {
            let result = judged(&reply(status, "text/plain", ""));
            assert!(matches!(result, Err(ExportError::Retry { after: None, .. })), "{status}");
        }
        assert!(matches!(judged(&reply(413, "", "")), Err(ExportError::TooLarge { .. })));
        for status in [301, 400, 401, 403, 404, 500, 501, 505] {
            let result = judged(&reply(status, "", ""));
            assert!(matches!(result, Err(ExportError::Permanent { .. })), "{status}");
        }
    }

    #[test]
    fn the_status_of_the_backend_is_in_the_message() {
        let status = RpcStatus { code: 16, message: "bad\nkey".into() };
        let proto = judged(&reply(401, PROTOBUF, status.encode_to_vec())).unwrap_err().to_string();
        assert_eq!(
            proto,
            "error exporting items, request to http://backend/v1/logs responded with HTTP Status Code 401, \
             Message=bad key"
        );
        let json = judged(&reply(400, JSON, r#"{"code":3,"message":"no tenant"}"#)).unwrap_err().to_string();
        assert!(json.ends_with("400, Message=no tenant"), "{json}");
        let long = judged(&reply(400, "text/plain", "x".repeat(70_000))).unwrap_err().to_string();
        assert!(long.len() < 800, "{}", long.len());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let wait =
            |text: &str| retry_after(&Reply { retry_after: Some(text.into()), ..Reply::default() }, now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Tue, 14 Nov 2023 22:13:30 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Tue, 14 Nov 2023 22:13:10 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
    }

    #[test]
    fn partial_success_is_read_in_both_encodings() {
        use crate::otlp::export::PartialSuccess;
        let partial = PartialSuccess { rejected: 3, error_message: "too old".into() };
        let body = ExportResponse { partial_success: Some(partial) }.encode_to_vec();
        let want = Partial { rejected: 3, message: "too old".into() };
        assert_eq!(judged(&reply(200, PROTOBUF, body)).unwrap(), Some(want));
        let body = r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":""}}"#;
        assert_eq!(judged(&reply(200, JSON, body)).unwrap().unwrap().rejected, 3);
        assert!(judged(&reply(200, JSON, r#"{"partialSuccess":{}}"#)).unwrap().is_none());
        assert!(matches!(judged(&reply(200, JSON, "<html>")), Err(ExportError::Permanent { .. })));
        assert!(matches!(judged(&reply(200, PROTOBUF, [0xff])), Err(ExportError::Permanent { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_the_judge_panic(
            status in 0_u16..1000, kind in 0..3_usize, body in proptest::collection::vec(0_u8.., 0..200),
            after in "\\PC{0,30}"
        ) {
            let kind = [PROTOBUF, JSON, "text/plain"][kind];
            let reply = Reply { retry_after: Some(after), ..reply(status, kind, body) };
            let _ = judged(&reply);
        }
    }
}
