//! Requests to one server: fresh credentials on each, connections reused, any of them cut off from
//! another thread.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;
use ureq::config::AutoHeaderValue;

use super::credentials::{Grant, Stamp, file_stamp};
use super::{Access, KubeError, nullable};
use crate::config::types::Secret;
use crate::net::connector;
use crate::pipeline::Stop;

/// A server we have access to. Makes connections; holds no sockets itself.
#[derive(Debug)]
pub struct Client {
    access: Access,
}

/// Time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub response: Duration,
    /// Silence in the middle of an answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_mins(1),
            // Bookmarks come about once a minute on a watch where nothing happens.
            idle: Duration::from_secs(150),
        }
    }
}

/// One component's line to the server: its sockets are used again for the next request, and
/// [`Connection::close`] ends a request that blocks in another thread within milliseconds.
#[derive(Debug)]
pub struct Connection {
    client: Arc<Client>,
    timeouts: Timeouts,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The agent, and what its TLS settings were made from.
    agent: Option<(Agent, TlsStamp)>,
    closed: bool,
}

/// The state of the certificate files, and the certificate that a plugin handed out.
type TlsStamp = (Vec<Stamp>, Option<Secret>);

/// The body of a successful answer, to be read as it arrives.
pub struct Response {
    body: ureq::BodyReader<'static>,
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

/// The server's own description of a failure (`meta/v1 Status`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    #[serde(deserialize_with = "nullable")]
    pub reason: String,
    #[serde(deserialize_with = "nullable")]
    pub code: u16,
}

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    /// Server-side apply.
    Apply,
    /// JSON merge patch.
    Merge,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Apply | Self::Merge => "PATCH",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Get | Self::Post | Self::Put => JSON,
            // JSON is YAML.
            Self::Apply => "application/apply-patch+yaml",
            Self::Merge => "application/merge-patch+json",
        }
    }
}

const JSON: &str = "application/json";
/// Bytes of an error body that are read.
const ERROR_BODY: u64 = 16 * 1024;
/// Bytes of a probe's answer that are read.
const PROBE_BODY: u64 = 256 * 1024;
/// Buffers per connection; the default of the HTTP client is eight times as much.
const BUFFER: usize = 16 * 1024;
/// A server may not make us wait longer than this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

impl Client {
    pub fn new(access: Access) -> Arc<Self> {
        Arc::new(Self { access })
    }

    /// Scheme, host and port.
    pub fn server(&self) -> &str {
        &self.access.server
    }

    pub fn connect(self: &Arc<Self>, timeouts: Timeouts) -> Connection {
        Connection { client: self.clone(), timeouts, state: Mutex::default() }
    }
}

impl Connection {
    /// GETs a path; anything but a success is an error with the server's reason in it.
    pub fn get(&self, path: &str, accept: &str) -> Result<Response, KubeError> {
        self.request(Method::Get, path, accept, &[])
    }

    /// GETs a path whose answer says something whatever its status: the status, and the first bytes
    /// of the body.
    pub fn probe(&self, path: &str) -> Result<(u16, Vec<u8>), KubeError> {
        let grant = self.client.access.credentials.current()?;
        let response = self.send(Method::Get, path, "*/*", &[], &grant)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        response.into_body().into_reader().take(PROBE_BODY).read_to_end(&mut body).map_err(|error| {
            KubeError::Transport {
                target: self.target(path),
                message: format!("the answer was cut off: {error}"),
            }
        })?;
        Ok((status, body))
    }

    /// Makes a new object in the collection at `path`; the answer is the object.
    pub fn create(&self, path: &str, json: &[u8]) -> Result<Response, KubeError> {
        self.request(Method::Post, path, JSON, json)
    }

    /// Replaces the object at `path`; the answer is the object. One with another
    /// `resourceVersion` than the server's is refused as [`KubeError::Conflict`].
    pub fn replace(&self, path: &str, json: &[u8]) -> Result<Response, KubeError> {
        self.request(Method::Put, path, JSON, json)
    }

    /// Server-side apply of the object at `path`, which names the field manager in its query; the
    /// answer is the object. An object with another `resourceVersion` is a [`KubeError::Conflict`].
    pub fn apply(&self, path: &str, json: &[u8]) -> Result<Response, KubeError> {
        self.request(Method::Apply, path, JSON, json)
    }

    /// Merges JSON into the object at `path`, null taking a field away; the answer is the object.
    pub fn merge(&self, path: &str, json: &[u8]) -> Result<Response, KubeError> {
        self.request(Method::Merge, path, JSON, json)
    }

    fn request(&self, method: Method, path: &str, accept: &str, body: &[u8]) -> Result<Response, KubeError> {
        let credentials = &self.client.access.credentials;
        let grant = credentials.current()?;
        let mut response = self.send(method, path, accept, body, &grant)?;
        if response.status() == 401 && credentials.renew(&grant) {
            response = self.send(method, path, accept, body, &credentials.current()?)?;
        }
        if response.status().is_success() {
            let body = response.into_body().into_with_config().limit(u64::MAX).reader();
            return Ok(Response { body });
        }
        Err(self.refusal(method, path, response))
    }

    /// Cuts off whatever request is under way; the next one connects anew.
    pub fn interrupt(&self) {
        if let Some((agent, _)) = self.lock().agent.take() {
            agent.shutdown();
        }
    }

    /// Cuts off whatever request is under way and refuses all that come.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some((agent, _)) = state.agent.take() {
            agent.shutdown();
        }
    }

    /// Closes the connection, from a thread of its own, when `stop` is raised.
    pub fn close_when(self: &Arc<Self>, stop: Stop) -> io::Result<()> {
        let connection = Arc::downgrade(self);
        std::thread::Builder::new().name("kube/stop".to_owned()).spawn(move || {
            // Ends with an error when the request is raised: nothing is ever sent.
            let _ = stop.channel().recv();
            if let Some(connection) = connection.upgrade() {
                connection.close();
            }
        })?;
        Ok(())
    }

    /// How errors name a request: without its parameters, so that equal causes read the same.
    pub fn target(&self, path: &str) -> String {
        self.target_of(Method::Get, path)
    }

    fn target_of(&self, method: Method, path: &str) -> String {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        format!("{} {}{path}", method.name(), self.client.access.server)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: &[u8],
        grant: &Grant,
    ) -> Result<ureq::http::Response<ureq::Body>, KubeError> {
        let agent = self.agent(grant)?;
        let url = format!("{}{path}", self.client.access.server);
        let token = grant.token.as_ref().map(|token| format!("Bearer {}", token.reveal()));
        let answer = match method {
            Method::Get => {
                let request = agent.get(url).header("Accept", accept);
                match token {
                    Some(token) => request.header("Authorization", token),
                    None => request,
                }
                .call()
            }
            _ => {
                let request = match method {
                    Method::Post => agent.post(url),
                    Method::Put => agent.put(url),
                    _ => agent.patch(url),
                };
                let request = request.header("Accept", accept).header("Content-Type", method.content_type());
                match token {
                    Some(token) => request.header("Authorization", token),
                    None => request,
                }
                .send(body)
            }
        };
        answer.map_err(|error| {
            if self.lock().closed {
                return KubeError::Interrupted;
            }
            KubeError::Transport { target: self.target_of(method, path), message: error.to_string() }
        })
    }

    /// The agent, made anew when a certificate file has changed.
    fn agent(&self, grant: &Grant) -> Result<Agent, KubeError> {
        let mut tls = self.client.access.tls.clone();
        if let Some((certificate, key)) = &grant.identity {
            tls.cert_pem = Some(certificate.clone());
            tls.key_pem = Some(key.clone());
        }
        let stamps: Vec<Stamp> = tls.files().map(file_stamp).collect();
        let stamp = (stamps, tls.cert_pem.clone());
        let mut state = self.lock();
        if state.closed {
            return Err(KubeError::Interrupted);
        }
        if let Some((agent, known)) = &state.agent
            && *known == stamp
        {
            return Ok(agent.clone());
        }
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(format!("kmagent/{}", env!("CARGO_PKG_VERSION")))
            .accept_encoding(AutoHeaderValue::None)
            .timeout_connect(Some(self.timeouts.connect))
            .timeout_recv_response(Some(self.timeouts.response))
            .timeout_per_read(Some(self.timeouts.idle))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(1)
            .build();
        let agent = connector::agent(settings, tls.build(&[])?);
        state.agent = Some((agent.clone(), stamp));
        Ok(agent)
    }

    fn refusal(&self, method: Method, path: &str, response: ureq::http::Response<ureq::Body>) -> KubeError {
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("Retry-After")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
        let mut body = Vec::new();
        // What cannot be read of an error's text is not worth an error of its own.
        let _ = response.into_body().into_reader().take(ERROR_BODY).read_to_end(&mut body);
        let message = match serde_json::from_slice::<Status>(&body) {
            Ok(status) if !status.message.is_empty() => status.message,
            _ => String::from_utf8_lossy(&body).trim().chars().take(300).collect(),
        };
        let target = self.target_of(method, path);
        match code {
            401 => KubeError::Unauthorized { target, message },
            403 => KubeError::Forbidden(format!("{target}: {message}")),
            404 => KubeError::NotFound { target },
            409 => KubeError::Conflict { target, message },
            410 => KubeError::Gone { target, message },
            _ => KubeError::Status { target, code, message, retry_after },
        }
    }
}
