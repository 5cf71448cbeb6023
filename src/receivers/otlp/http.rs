//! `protocols.http`: `/v1/logs`, `/v1/metrics` and `/v1/traces`, in protobuf or JSON.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;

use super::config::{Cors, HttpConfig};
use super::intake::Intake;
use crate::net::compression::{Codec, DecompressError, decompress};
use crate::net::event_loop::{Socket, Task};
use crate::net::grpc::{Code, Status};
use crate::net::http::{self, Answer, BodyError, Head, Limits, Request, Response, Service};
use crate::otlp::from_json;
use crate::pipeline::{Content, Signal};

/// Serves one connection.
pub(super) async fn serve(
    socket: Socket,
    peer: IpAddr,
    task: Rc<Task>,
    intake: Arc<Intake>,
    routes: Arc<Routes>,
    limits: Rc<Limits>,
) {
    let service = Endpoint { intake, routes, task: task.clone() };
    http::serve(socket, peer, task, service, limits).await;
}

/// What the configuration says about requests and answers.
pub(super) struct Routes {
    paths: Vec<(String, Signal)>,
    codecs: Vec<Codec>,
    /// Whether bodies are decompressed at all.
    decompresses: bool,
    cors: Option<Cors>,
    body_limit: usize,
    headers: Vec<(String, String)>,
}

impl Routes {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let rooted = |path: &str| if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let given = config.response_headers.0.iter();
        Self {
            paths: vec![
                (rooted(&config.traces_url_path), Signal::Traces),
                (rooted(&config.metrics_url_path), Signal::Metrics),
                (rooted(&config.logs_url_path), Signal::Logs),
            ],
            codecs: config.compression_algorithms.iter().filter_map(|name| Codec::named(name)).collect(),
            decompresses: !config.compression_algorithms.is_empty(),
            cors: config.cors.clone().filter(|cors| !cors.allowed_origins.is_empty()),
            body_limit: config.body_limit(),
            headers: given.map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
        }
    }
}

struct Endpoint {
    intake: Arc<Intake>,
    routes: Arc<Routes>,
    task: Rc<Task>,
}

/// What a body is written in, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(head: &Head) -> Option<Self> {
        let kind = head.header("content-type")?.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl Service for Endpoint {
    fn check(&self, head: &Head) -> Result<usize, Response> {
        self.routed(head).map(|_| self.routes.body_limit).map_err(|response| self.dressed(head, response))
    }

    fn reserve(&self, more: isize) -> bool {
        self.intake.reserve(more)
    }

    fn answer(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let Request { head, body, peer } = request;
            let response = match self.routed(&head) {
                Err(response) => response,
                Ok((signal, encoding)) => match self.export(signal, encoding, &head, body, peer).await {
                    Ok(()) => success(encoding),
                    Err((status, error)) => refusal(status, &error, encoding),
                },
            };
            self.dressed(&head, response)
        })
    }
}

impl Endpoint {
    fn routed(&self, head: &Head) -> Result<(Signal, Encoding), Response> {
        if let Some(answer) = self.routes.cors.as_ref().and_then(|cors| cors.preflight(head)) {
            return Err(answer);
        }
        let route = self.routes.paths.iter().find(|(path, _)| *path == head.path);
        let Some((_, signal)) = route.filter(|(_, signal)| self.intake.wants(*signal)) else {
            return Err(Response::text(404, "404 page not found\n"));
        };
        if head.method != "POST" {
            return Err(
                Response::text(405, "405 method not allowed, supported: [POST]").with("Allow", "POST")
            );
        }
        let encoding = Encoding::of(head).ok_or_else(|| {
            let text = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
            Response::text(415, text)
        })?;
        Ok((*signal, encoding))
    }

    async fn export(
        &self,
        signal: Signal,
        encoding: Encoding,
        head: &Head,
        body: Result<Vec<u8>, BodyError>,
        peer: IpAddr,
    ) -> Result<(), (u16, Status)> {
        let content =
            self.opened(signal, encoding, head, body).inspect_err(|_| self.intake.note_malformed())?;
        self.intake.take(content, peer, &self.task).await.map_err(|status| (http_status(status.code), status))
    }

    fn opened(
        &self,
        signal: Signal,
        encoding: Encoding,
        head: &Head,
        body: Result<Vec<u8>, BodyError>,
    ) -> Result<Content, (u16, Status)> {
        let bad = |message: String| (400, Status::new(Code::InvalidArgument, message));
        let too_large = |message: String| (413, Status::new(Code::InvalidArgument, message));
        let mut body = body.map_err(|error| match error {
            BodyError::TooLarge { .. } => too_large(error.to_string()),
            BodyError::NoRoom => {
                let wait = std::time::Duration::from_secs(1);
                (429, Status::retry(Code::ResourceExhausted, error.to_string(), wait))
            }
            _ => bad(error.to_string()),
        })?;
        let name = head.header("content-encoding").unwrap_or_default();
        if self.routes.decompresses && !name.is_empty() && !name.eq_ignore_ascii_case("identity") {
            let codec = Codec::named(name).filter(|codec| self.routes.codecs.contains(codec));
            let codec = codec.ok_or_else(|| bad(format!("unsupported Content-Encoding: {name}")))?;
            body = decompress(codec, &body, self.routes.body_limit).map_err(|error| match error {
                DecompressError::TooLarge { .. } => too_large(error.to_string()),
                DecompressError::Invalid { .. } => bad(error.to_string()),
            })?;
        }
        match encoding {
            Encoding::Protobuf => {
                body.shrink_to_fit();
                self.intake.opened(signal, body.into()).map_err(|error| bad(error.to_string()))
            }
            Encoding::Json => {
                from_json::decode(signal, &body).map(Content::from).map_err(|error| bad(error.to_string()))
            }
        }
    }

    fn dressed(&self, head: &Head, mut response: Response) -> Response {
        response.headers.extend(self.routes.headers.iter().cloned());
        match &self.routes.cors {
            Some(cors) if head.method != "OPTIONS" => cors.decorate(head, response),
            _ => response,
        }
    }
}

fn success(encoding: Encoding) -> Response {
    let body: &[u8] = match encoding {
        Encoding::Protobuf => b"",
        Encoding::Json => br#"{"partialSuccess":{}}"#,
    };
    Response::new(200, encoding.name(), body)
}

/// An answer with a `google.rpc.Status` in the encoding of the request.
fn refusal(http_status: u16, status: &Status, encoding: Encoding) -> Response {
    let body = match encoding {
        Encoding::Protobuf => status.to_proto(),
        Encoding::Json => {
            let mut body = json!({"code": status.code as i32, "message": status.message});
            if let Some(delay) = status.retry_after {
                body["details"] = json!([{
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": format!("{}s", delay.as_secs_f64()),
                }]);
            }
            body.to_string().into_bytes()
        }
    };
    let response = Response::new(http_status, encoding.name(), body);
    match status.retry_after {
        Some(delay) if matches!(http_status, 429 | 503) => {
            response.with("Retry-After", delay.as_secs_f64().ceil().to_string())
        }
        _ => response,
    }
}

fn http_status(code: Code) -> u16 {
    match code {
        Code::Canceled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => 503,
        Code::ResourceExhausted => 429,
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::Unimplemented => 404,
        _ => 500,
    }
}
