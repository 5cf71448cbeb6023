//! One signal's way to the backend: encode, compress, post.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderValue, Request, Uri, header};
use ureq::{Agent, Proxy};

use super::response::{self, Reply};
use super::{Encoding, OtlpHttpConfig};
use crate::component::{BuildError, Context, ExportError, Exporter};
use crate::net::compression::{Codec, Compressor};
use crate::net::connector::Connections;
use crate::otlp::json;
use crate::pipeline::{Batch, Signal, Stop};
use crate::telemetry::Counter;

/// Buffers of an idle connection stay with it, so they are small.
const READ_BUFFER: usize = 8 << 10;
const WRITE_BUFFER: usize = 32 << 10;
/// Connections that wait for the next batch: as many as the default queue has consumers.
const IDLE_CONNECTIONS: usize = 10;
/// No answer of a backend is read further.
const MOST_RESPONSE: u64 = 64 << 10;
/// Room that a buffer keeps for the next batch, and how many are kept.
const KEPT_ROOM: usize = 1 << 20;
const KEPT_SPARE: usize = 2;
/// Least time between two lines about batches the backend took in part.
const WARN_INTERVAL: Duration = Duration::from_mins(1);

pub(super) struct Client {
    connections: Connections,
    url: Uri,
    /// The URL without user and password, for messages.
    shown_url: String,
    headers: HeaderMap,
    signal: Signal,
    encoding: Encoding,
    compression: Option<(Codec, i32)>,
    /// Buffers for raw bodies and compressors that nobody uses just now: encoding keeps a core busy,
    /// so there are few of them, and none is held while the backend is waited for.
    spare: Mutex<Vec<(Vec<u8>, Compressor)>>,
    interrupted: AtomicBool,
    name: String,
    /// Items that the backend refused in answers of success.
    rejected: Counter,
    warned: Mutex<Option<Instant>>,
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
        let exporter = context.id.to_string();
        let rejected = context.telemetry.counter(
            "kmagent_exporter_rejected_items",
            &[("exporter", &exporter), ("data_type", signal.name())],
        );
        Ok(Self {
            connections: Connections::new(settings, config.tls.clone())
                .map_err(|error| BuildError(format!("tls: {error}")))?,
            shown_url: without_password(&url),
            headers: headers(config, context, codec).map_err(BuildError)?,
            url,
            signal,
            encoding: config.encoding,
            compression: codec.map(|codec| (codec, config.compression_params.level)),
            spare: Mutex::default(),
            interrupted: AtomicBool::new(false),
            name: format!("{exporter} ({signal})"),
            rejected,
            warned: Mutex::default(),
        })
    }

    /// The body of a request for `batch`.
    fn body(&self, batch: &Batch) -> Result<Vec<u8>, ExportError> {
        let mut raw = Vec::new();
        let Some((codec, level)) = self.compression else {
            self.encode(batch, &mut raw);
            return Ok(raw);
        };
        let failed = |error: std::io::Error| ExportError::Permanent {
            message: format!("cannot compress the request: {error}"),
        };
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut raw, mut compressor) = match spare {
            Some(spare) => spare,
            None => (raw, Compressor::new(codec, level).map_err(failed)?),
        };
        self.encode(batch, &mut raw);
        let mut packed = Vec::new();
        compressor.compress(&raw, &mut packed).map_err(failed)?;
        raw.clear();
        raw.shrink_to(KEPT_ROOM);
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < KEPT_SPARE {
            spare.push((raw, compressor));
        }
        Ok(packed)
    }

    fn encode(&self, batch: &Batch, raw: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Proto => {
                raw.reserve(batch.bytes());
                batch.data().encode(raw);
            }
            Encoding::Json => json::encode(batch.data(), raw),
        }
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

    /// The backend took the batch and told that it threw a part of it away.
    fn note_rejected(&self, partial: &response::Partial) {
        self.rejected.add(partial.rejected);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|last| last.elapsed() >= WARN_INTERVAL) {
            *warned = Some(Instant::now());
            log::warn!(
                "{}: partial success: the backend rejected {} {}: {}",
                self.name,
                partial.rejected,
                self.signal.items(),
                partial.message
            );
        }
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
                    self.note_rejected(&partial);
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

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
        self.connections.agent().shutdown();
    }
}

/// The headers of every request; what the user sets goes over what the agent sets.
fn headers(config: &OtlpHttpConfig, context: &Context, codec: Option<Codec>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let agent = format!("kmagent/{} (linux/{})", context.host.version(), go_arch());
    headers.insert(header::USER_AGENT, HeaderValue::try_from(agent).map_err(|error| error.to_string())?);
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
pub(super) fn check_url(text: &str) -> Result<Uri, String> {
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
