//! One signal's way to the backend: encode, compress, post.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderValue, Request, Uri, header};
use ureq::{Agent, Proxy};

use super::response::{self, Reply};
use super::{Encoding, OtlpHttpConfig};
use crate::component::{BuildError, Context, ExportError, Exporter};
use crate::exporters::packing::Packer;
use crate::exporters::rejected::Rejections;
use crate::net::compression::Codec;
use crate::net::connector::Connections;
use crate::otlp::json;
use crate::pipeline::{Batch, Signal, Stop};

/// Buffers of an idle connection stay with it, so they are small.
const READ_BUFFER: usize = 8 << 10;
const WRITE_BUFFER: usize = 32 << 10;
/// Connections that wait for the next batch: as many as the default queue has consumers.
const IDLE_CONNECTIONS: usize = 10;
/// No answer of a backend is read further.
const MOST_RESPONSE: u64 = 64 << 10;

pub(super) struct Client {
    connections: Connections,
    url: Uri,
    /// The URL without user and password, for messages.
    shown_url: String,
    headers: HeaderMap,
    signal: Signal,
    encoding: Encoding,
    packer: Packer,
    interrupted: AtomicBool,
    rejections: Rejections,
}

impl Client {
    pub(super) fn new(
        config: &OtlpHttpConfig,
        context: &Context,
        signal: Signal,
    ) -> Result<Self, BuildError> {
        let url = config.url(signal).ok_or_else(|| {
            BuildError::new(format!("either endpoint or {signal}_endpoint must be specified"))
        })?;
        let url = check_url(&url).map_err(BuildError)?;
        let codec = config.codec().map_err(BuildError)?;
        let size = |chosen: usize, default: usize| if chosen == 0 { default } else { chosen.min(1 << 20) };
        let per_host = size(config.max_idle_conns_per_host, IDLE_CONNECTIONS);
        // As in Go, 0 is no limit here.
        let idle = if config.disable_keep_alives { 0 } else { size(config.max_idle_conns, usize::MAX) };
        let idle_age =
            if config.idle_conn_timeout.is_zero() { Duration::MAX } else { config.idle_conn_timeout };
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global((config.timeout > Duration::ZERO).then_some(config.timeout))
            .proxy(proxy(&config.proxy_url).map_err(BuildError)?)
            .input_buffer_size(size(config.read_buffer_size, READ_BUFFER))
            .output_buffer_size(size(config.write_buffer_size, WRITE_BUFFER))
            .max_idle_connections(idle)
            .max_idle_connections_per_host(per_host.min(idle))
            .max_idle_age(idle_age)
            .build();
        Ok(Self {
            connections: Connections::new(settings, config.tls.clone())
                .map_err(|error| BuildError(format!("tls: {error}")))?,
            shown_url: without_password(&url),
            headers: headers(config, context, codec).map_err(BuildError)?,
            url,
            signal,
            encoding: config.encoding,
            packer: Packer::new(codec.map(|codec| (codec, config.compression_params.level))),
            interrupted: AtomicBool::new(false),
            rejections: Rejections::new(context, signal),
        })
    }

    /// The body of a request for `batch`.
    fn body(&self, batch: &Batch) -> Result<Vec<u8>, ExportError> {
        let packed = match self.encoding {
            Encoding::Proto => self.packer.pack_request(batch),
            Encoding::Json => self.packer.pack(|raw| json::encode(batch.data(), raw)),
        };
        packed.map_err(|error| ExportError::Permanent {
            message: format!("cannot compress the request: {error}"),
        })
    }

    fn post(&self, body: &[u8]) -> Result<Reply, ureq::Error> {
        let mut request = Request::post(self.url.clone()).body(body)?;
        request.headers_mut().clone_from(&self.headers);
        let (head, body) = self.connections.agent().run(request)?.into_parts();
        let header = |name| {
            let value: Option<&HeaderValue> = head.headers.get(name);
            value.and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut text = Vec::new();
        if body.into_reader().take(MOST_RESPONSE).read_to_end(&mut text).is_err() {
            // The status has said what matters; half a message says nothing.
            text.clear();
        }
        Ok(Reply {
            status: head.status.as_u16(),
            content_type: header(header::CONTENT_TYPE),
            retry_after: header(header::RETRY_AFTER),
            location: header(header::LOCATION),
            body: text,
        })
    }
}

impl Exporter for Client {
    fn export(&self, batch: &Batch, stop: &Stop) -> Result<(), ExportError> {
        let over = || stop.is_raised() || self.interrupted.load(Ordering::Relaxed);
        if over() {
            return Err(ExportError::Stopped);
        }
        match self.post(&self.body(batch)?) {
            Ok(reply) => {
                if let Some(partial) = response::judge(&reply, self.signal, &self.shown_url)? {
                    self.rejections.note(partial.rejected, &partial.message);
                }
                Ok(())
            }
            Err(_) if over() => Err(ExportError::Stopped),
            Err(error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_))) => Err(ExportError::Permanent {
                message: format!("failed to make a request to {}: {error}", self.shown_url),
            }),
            Err(error) => Err(ExportError::Retry {
                message: format!("failed to make an HTTP request to {}: {error}", self.shown_url),
                after: None,
            }),
        }
    }

    fn sends_encoded(&self) -> bool {
        self.encoding == Encoding::Proto
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
        self.connections.agent().shutdown();
    }
}

/// The agent's name, version and machine.
pub(in crate::exporters) fn user_agent(context: &Context) -> String {
    format!("kmagent/{} (linux/{})", context.host.version(), go_arch())
}

/// The headers of every request; what the user sets goes over what the agent sets.
fn headers(config: &OtlpHttpConfig, context: &Context, codec: Option<Codec>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::USER_AGENT,
        HeaderValue::try_from(user_agent(context)).map_err(|error| error.to_string())?,
    );
    if config.disable_keep_alives {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.extend(config.headers.to_map()?);
    // These say what the body is, and nobody knows that better.
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(match config.encoding {
            Encoding::Proto => response::PROTOBUF,
            Encoding::Json => response::JSON,
        }),
    );
    if let Some(codec) = codec {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(codec.name()));
    }
    Ok(headers)
}

/// The architecture as the collector's user agent names it.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Checks a URL that a user wrote.
pub fn check_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("\"{text}\" is no URL: {error}"))?;
    match url.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(format!("\"{text}\" must begin with http:// or https://")),
    }
    if url.host().unwrap_or_default().is_empty() {
        return Err(format!("\"{text}\" has no host"));
    }
    Ok(url)
}

/// The proxy of that URL, or for an empty one the proxy that the environment names.
pub(super) fn proxy(url: &str) -> Result<Option<Proxy>, String> {
    if url.is_empty() {
        return Ok(Proxy::try_from_env().filter(is_http));
    }
    let proxy = Proxy::new(url).map_err(|error| format!("cannot be used: {error}"))?;
    if is_http(&proxy) { Ok(Some(proxy)) } else { Err("must be an http:// or https:// proxy".into()) }
}

/// `ureq` can do SOCKS with a feature that this build leaves out.
fn is_http(proxy: &Proxy) -> bool {
    matches!(proxy.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https)
}

fn without_password(url: &Uri) -> String {
    let text = url.to_string();
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => text,
    }
}
