//! One request to the backend, which tells of its address, TLS, the key and the clock.

use std::io::Read;
use std::time::{Duration, SystemTime};

use super::Facts;
use crate::config::types::Secret;
use crate::config::{Decoder, Node};
use crate::net::connector;
use crate::net::tls::ClientTls;

/// What came of it.
#[derive(Debug)]
pub struct Probe {
    pub url: String,
    pub answer: Result<Answer, Trouble>,
    /// Whether a key was sent along.
    pub has_key: bool,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    /// The backend's clock less ours, in seconds, to the second.
    pub ahead: Option<i64>,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Trouble {
    pub at: At,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Name,
    Connection,
    Tls,
    Time,
    Other,
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_TEXT: u64 = 300;

/// Sends an empty batch of logs to where the configuration, else the environment, sends them.
pub fn probe(facts: &Facts) -> Option<Probe> {
    let exporters = facts.exporters();
    let exporter = exporters.iter().find(|used| used.kind == "otlphttp");
    let endpoint = exporter
        .and_then(|used| used.text("endpoint"))
        .or(facts.environment.collector_endpoint.as_deref())?;
    let url = exporter
        .and_then(|used| used.text("logs_endpoint"))
        .map_or_else(|| format!("{}/v1/logs", endpoint.trim_end_matches('/')), str::to_owned);
    let headers: Vec<(&str, &str)> = exporter
        .and_then(|used| used.settings.get("headers"))
        .into_iter()
        .flat_map(Node::entries)
        .filter_map(|(name, value)| Some((name, value.as_str()?)))
        .collect();
    let has_key = headers.iter().any(|(_, value)| !value.is_empty())
        || (exporter.is_none() && facts.environment.api_key.is_some());
    let key = if exporter.is_none() { facts.environment.api_key.as_ref() } else { None };
    let tls = exporter
        .and_then(|used| Decoder::new(used.settings.get("tls")?).decode::<ClientTls>())
        .unwrap_or_default();
    let answer = ask(&url, &headers, key, &tls);
    Some(Probe { url, answer, has_key })
}

fn ask(
    url: &str,
    headers: &[(&str, &str)],
    key: Option<&Secret>,
    tls: &ClientTls,
) -> Result<Answer, Trouble> {
    let agent = connector::occasional(TIMEOUT, tls)
        .map_err(|error| Trouble { at: At::Tls, text: error.to_string() })?;
    let mut request = agent.post(url).header("Content-Type", "application/x-protobuf");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(key) = key {
        request = request.header("Authorization", key.reveal());
    }
    let response = request.send_empty().map_err(trouble)?;
    let date = response.headers().get("Date").and_then(|value| value.to_str().ok());
    let ahead = date.and_then(|text| httpdate::parse_http_date(text).ok()).map(seconds_ahead);
    let status = response.status().as_u16();
    let mut text = Vec::new();
    // The status has said what matters.
    let _ = response.into_body().into_reader().take(MOST_TEXT).read_to_end(&mut text);
    let is_text = text.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    let text = if is_text { String::from_utf8_lossy(&text).trim().to_owned() } else { String::new() };
    Ok(Answer { status, text, ahead })
}

fn seconds_ahead(theirs: SystemTime) -> i64 {
    match theirs.duration_since(SystemTime::now()) {
        Ok(ahead) => ahead.as_secs() as i64,
        Err(behind) => -(behind.duration().as_secs() as i64),
    }
}

fn trouble(error: ureq::Error) -> Trouble {
    let text = error.to_string();
    let lower = text.to_lowercase();
    let at = match error {
        ureq::Error::HostNotFound => At::Name,
        ureq::Error::ConnectionFailed => At::Connection,
        ureq::Error::Timeout(_) => At::Time,
        _ if ["certificate", "tls", "handshake", "corrupt message"]
            .iter()
            .any(|word| lower.contains(word)) =>
        {
            At::Tls
        }
        _ if lower.contains("lookup") || lower.contains("resolve") || lower.contains("not known") => At::Name,
        ureq::Error::Io(_) => At::Connection,
        _ => At::Other,
    };
    Trouble { at, text }
}
