//! HTTP requests as Prometheus' client makes them: credentials read anew for each.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use ureq::{Agent, Body, Proxy};

use super::config::http::{BasicAuth, HttpConfig};
use crate::config::types::Secret;
use crate::net::connector::Connections;

/// The connections of one job.
pub struct HttpClient {
    connections: Connections,
    config: HttpConfig,
}

/// Why there is no answer. Prints as a lowercase fragment.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("cannot read {key} \"{path}\": {error}")]
    File { key: &'static str, path: String, error: std::io::Error },
    #[error("{0} holds something that cannot be sent in a header")]
    BadHeader(&'static str),
    #[error("{0}")]
    Request(ureq::Error),
    #[error("server returned HTTP status {0}")]
    Status(ureq::http::StatusCode),
}

/// Connections that wait for the next scrape, and how long they may.
const IDLE: usize = 128;
const IDLE_AGE: Duration = Duration::from_mins(5);
const BUFFER: usize = 16 << 10;
const REDIRECTS: u32 = 10;

impl HttpClient {
    pub fn new(config: &HttpConfig) -> Result<Self, String> {
        let follow = config.follow_redirects.unwrap_or(true);
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(if follow { REDIRECTS } else { 0 })
            .max_redirects_will_error(false)
            .proxy(proxy(config)?)
            .user_agent(format!("kmagent/{}", env!("CARGO_PKG_VERSION")))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(2)
            .max_idle_age(IDLE_AGE)
            .build();
        let connections =
            Connections::new(settings, config.tls()).map_err(|error| format!("tls_config: {error}"))?;
        Ok(Self { connections, config: config.clone() })
    }

    /// GETs `url`; anything but 200 is an error.
    pub fn get(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        compression: bool,
        timeout: Duration,
    ) -> Result<Response<Body>, HttpError> {
        let mut all = self.headers()?;
        for (name, value) in headers {
            all.insert(*name, HeaderValue::from_str(value).map_err(|_| HttpError::BadHeader(name))?);
        }
        let encoding = if compression { "gzip" } else { "identity" };
        all.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        let agent = self.connections.agent();
        let mut request = agent.get(url);
        if let Some(headers) = request.headers_mut() {
            headers.extend(all);
        }
        let request = request.config().timeout_global(Some(timeout)).build();
        let response = request.call().map_err(HttpError::Request)?;
        if response.status() == 200 { Ok(response) } else { Err(HttpError::Status(response.status())) }
    }

    /// Cuts off whatever is under way.
    pub fn shutdown(&self) {
        self.connections.agent().shutdown();
    }

    fn headers(&self) -> Result<HeaderMap, HttpError> {
        let config = &self.config;
        let mut headers = HeaderMap::new();
        for (name, values) in &config.http_headers {
            let bad = HttpError::BadHeader("http_headers");
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return Err(bad) };
            let mut add = |value: &str| {
                let value = HeaderValue::from_str(value).map_err(|_| HttpError::BadHeader("http_headers"))?;
                headers.append(&name, value);
                Ok::<(), HttpError>(())
            };
            values.values.iter().try_for_each(|value| add(value))?;
            values.secrets.iter().try_for_each(|value| add(value.reveal()))?;
            for file in &values.files {
                add(&read("http_headers", file)?)?;
            }
        }
        if let Some(value) = self.authorization()? {
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| HttpError::BadHeader("authorization"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(headers)
    }

    fn authorization(&self) -> Result<Option<String>, HttpError> {
        let config = &self.config;
        if let Some(auth) = &config.basic_auth {
            return basic(auth).map(Some);
        }
        let (kind, token, file) = match &config.authorization {
            Some(auth) => {
                let kind = if auth.kind.trim().is_empty() { "Bearer" } else { auth.kind.trim() };
                (kind, auth.credentials.as_ref(), auth.credentials_file.as_deref())
            }
            None => ("Bearer", config.bearer_token.as_ref(), config.bearer_token_file.as_deref()),
        };
        let token = secret("credentials_file", token, file)?;
        Ok(token.map(|token| format!("{kind} {token}")))
    }
}

fn basic(auth: &BasicAuth) -> Result<String, HttpError> {
    let name = match &auth.username_file {
        Some(file) => read("username_file", file)?,
        None => auth.username.clone(),
    };
    let password = secret("password_file", auth.password.as_ref(), auth.password_file.as_deref())?;
    let both = format!("{name}:{}", password.unwrap_or_default());
    Ok(format!("Basic {}", STANDARD.encode(both)))
}

fn secret(
    key: &'static str,
    text: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<String>, HttpError> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.reveal().to_owned())),
        (None, Some(file)) => read(key, file).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(key: &'static str, path: &Path) -> Result<String, HttpError> {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(|error| HttpError::File {
        key,
        path: path.display().to_string(),
        error,
    })
}

fn proxy(config: &HttpConfig) -> Result<Option<Proxy>, String> {
    if config.proxy_from_environment {
        return Ok(Proxy::try_from_env());
    }
    if config.proxy_url.is_empty() {
        return Ok(None);
    }
    let plain =
        Proxy::new(&config.proxy_url).map_err(|error| format!("proxy_url cannot be used: {error}"))?;
    if !matches!(plain.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https) {
        return Err("proxy_url must be an http:// or https:// proxy".to_owned());
    }
    if config.no_proxy.is_empty() {
        return Ok(Some(plain));
    }
    let mut builder = Proxy::builder(plain.protocol()).host(plain.host()).port(plain.port());
    if let (Some(name), Some(password)) = (plain.username(), plain.password()) {
        builder = builder.username(name).password(password);
    }
    for rule in config.no_proxy.split(',') {
        builder = builder.no_proxy(rule.trim());
    }
    builder.build().map(Some).map_err(|error| format!("no_proxy cannot be used: {error}"))
}
