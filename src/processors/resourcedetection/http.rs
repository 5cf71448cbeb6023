//! Short requests to metadata services, which answer at once or are not there.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The largest answer that is read; metadata is a few kilobytes.
const MAX_ANSWER: u64 = 1 << 20;
/// Off their platform the addresses of metadata services are black holes: no waiting for them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub struct Http {
    agent: ureq::Agent,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// Nobody is there: this is not the platform.
    Absent(String),
    /// Somebody is there and answers something else.
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Absent(message) | Self::Refused(message)) = self;
        f.write_str(message)
    }
}

impl Http {
    /// No request takes longer than `timeout`.
    pub fn new(timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
            .timeout_global(Some(timeout))
            .build();
        Self { agent: config.into() }
    }

    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<String, Failure> {
        let request =
            headers.iter().fold(self.agent.get(url), |request, (key, value)| request.header(*key, *value));
        answer(url, request.call())
    }

    pub fn put(&self, url: &str, headers: &[(&str, &str)]) -> Result<String, Failure> {
        let request =
            headers.iter().fold(self.agent.put(url), |request, (key, value)| request.header(*key, *value));
        answer(url, request.send_empty())
    }

    pub fn json<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<T, Failure> {
        parse(url, &self.get(url, headers)?)
    }
}

fn answer(
    url: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<String, Failure> {
    let mut response = response.map_err(|error| Failure::Absent(format!("{url}: {error}")))?;
    if response.status() != 200 {
        return Err(Failure::Refused(format!("{url}: answers {}", response.status())));
    }
    response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_string()
        .map_err(|error| Failure::Refused(format!("{url}: {error}")))
}

fn parse<T: serde::de::DeserializeOwned>(place: &str, body: &str) -> Result<T, Failure> {
    serde_json::from_str(body)
        .map_err(|error| Failure::Refused(format!("{place}: unexpected answer: {error}")))
}

/// Asks a service on a Unix socket, in HTTP/1.0: the end of the connection ends the answer.
pub fn json_from_socket<T: serde::de::DeserializeOwned>(
    socket: &Path,
    path: &str,
    timeout: Duration,
) -> Result<T, String> {
    let place = socket.display().to_string();
    let failed = |error: std::io::Error| format!("{place}: {error}");
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).map_err(failed)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| format!("{place}: answer is cut short"))?;
    let status = head.split_ascii_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        return Err(format!("{place}: answers {status}"));
    }
    parse(&place, body).map_err(|failure| failure.to_string())
}
