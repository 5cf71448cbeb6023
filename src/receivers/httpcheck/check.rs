//! One request and what came of it.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Method, Request, header};

use super::config::TargetConfig;
use super::validation::Validation;
use crate::component::BuildError;
use crate::net::connector::Connections;

/// A URL that is asked regularly.
pub struct Check {
    pub url: String,
    pub method: String,
    body: String,
    headers: HeaderMap,
    timeout: Duration,
    connections: Arc<Connections>,
    validations: Vec<Validation>,
    wants_body: bool,
}

/// What came of a check.
#[derive(Debug, Default)]
pub struct Finding {
    pub took: Duration,
    /// `None`: no answer, for the reason in `error`.
    pub status: Option<u16>,
    pub error: Option<String>,
    pub size: Option<u64>,
    /// Type of each validation, how many passed and how many failed.
    pub validations: Vec<(&'static str, u64, u64)>,
}

const TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS: u32 = 10;
const BUFFER: usize = 16 << 10;
/// Bytes of a body that are looked at.
const LARGEST: u64 = 10 << 20;

impl Check {
    /// The checks of a target, one a URL; they share connections.
    pub fn all(target: &TargetConfig, size: bool) -> Result<Vec<Self>, BuildError> {
        let proxy = if target.proxy_url.is_empty() {
            ureq::Proxy::try_from_env()
        } else {
            Some(
                ureq::Proxy::new(&target.proxy_url)
                    .map_err(|error| BuildError(format!("proxy_url: {error}")))?,
            )
        };
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(REDIRECTS)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(format!("kmagent/{}", env!("CARGO_PKG_VERSION")))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(if target.disable_keep_alives { 0 } else { 16 })
            .build();
        let connections = Connections::new(settings, target.tls.clone())
            .map_err(|error| BuildError(format!("tls: {error}")))?;
        let connections = Arc::new(connections);
        let mut headers = target.headers.to_map().map_err(BuildError)?;
        if target.auto_content_type && !target.body.is_empty() && !headers.contains_key(header::CONTENT_TYPE)
        {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&target.body)));
        }
        let validations = target
            .validations
            .iter()
            .map(|validation| Validation::new(validation).map_err(|(_, message)| BuildError(message)))
            .collect::<Result<Vec<_>, _>>()?;
        let checks = target.urls().map(|(_, url)| Self {
            url: url.clone(),
            method: target.method().to_owned(),
            body: target.body.clone(),
            headers: headers.clone(),
            timeout: if target.timeout.is_zero() { TIMEOUT } else { target.timeout },
            connections: connections.clone(),
            wants_body: size || !validations.is_empty(),
            validations: validations.clone(),
        });
        Ok(checks.collect())
    }

    /// Asks, and waits for the answer.
    pub fn run(&self) -> Finding {
        let began = Instant::now();
        let mut finding = Finding::default();
        match self.ask() {
            Err(error) => {
                finding.took = began.elapsed();
                finding.error = Some(error.to_string());
            }
            Ok(response) => {
                finding.took = began.elapsed();
                finding.status = Some(response.status().as_u16());
                if self.wants_body {
                    self.look_at(response, &mut finding);
                }
            }
        }
        finding
    }

    /// Ends a request that is under way.
    pub fn interrupt(&self) {
        self.connections.agent().shutdown();
    }

    fn ask(&self) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        // Checked when the configuration was read.
        let method = Method::from_bytes(self.method.as_bytes()).unwrap_or(Method::GET);
        let mut request = Request::builder().method(method).uri(&self.url);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
        }
        let agent = self.connections.agent();
        let run = |request: Request<_>| {
            let request = agent.configure_request(request).timeout_global(Some(self.timeout)).build();
            agent.run(request)
        };
        run(request.body(self.body.clone()).map_err(ureq::Error::Http)?)
    }

    fn look_at(&self, response: ureq::http::Response<ureq::Body>, finding: &mut Finding) {
        let mut body = Vec::new();
        let reader = response.into_body().into_with_config().limit(u64::MAX).reader();
        if let Err(error) = reader.take(LARGEST).read_to_end(&mut body) {
            finding.error = Some(error.to_string());
        }
        finding.size = Some(body.len() as u64);
        for validation in &self.validations {
            validation.run(&body, |kind, passed| {
                let all = &mut finding.validations;
                let place = all.iter().position(|(known, _, _)| *known == kind).unwrap_or_else(|| {
                    all.push((kind, 0, 0));
                    all.len() - 1
                });
                let (_, passes, failures) = &mut all[place];
                *(if passed { passes } else { failures }) += 1;
            });
        }
    }
}

fn content_type(body: &str) -> &'static str {
    let trimmed = body.trim_start();
    if trimmed.starts_with('{') || trimmed.starts_with('[') {
        "application/json"
    } else if body.contains('=') {
        "application/x-www-form-urlencoded"
    } else {
        "text/plain"
    }
}
