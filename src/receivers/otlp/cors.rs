//! Cross-origin requests: what browsers ask before they send.

use super::config::Cors;
use crate::net::http::{Head, Response};

/// Allowed whatever the configuration says: an OTLP client cannot do without them.
const ALWAYS: [&str; 3] = ["accept", "content-type", "x-requested-with"];

impl Cors {
    /// The answer to a browser's question; `None` for any other request.
    pub(super) fn preflight(&self, head: &Head) -> Option<Response> {
        if head.method != "OPTIONS" {
            return None;
        }
        let method = head.header("access-control-request-method")?;
        let origin = head.header("origin")?;
        let mut response = Response::empty(204)
            .with("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
        let asked = head.header("access-control-request-headers").unwrap_or_default();
        let names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        if !self.allows_origin(origin)
            || method != "POST"
            || !names.clone().all(|name| self.allows_header(name))
        {
            return Some(response);
        }
        response = self.grant(response, origin).with("Access-Control-Allow-Methods", "POST");
        if !asked.is_empty() {
            response = response.with("Access-Control-Allow-Headers", asked);
        }
        if self.max_age > 0 {
            response = response.with("Access-Control-Max-Age", self.max_age.to_string());
        }
        Some(response)
    }

    /// What is added to the answer of a request from another origin.
    pub(super) fn decorate(&self, head: &Head, response: Response) -> Response {
        let response = response.with("Vary", "Origin");
        match head.header("origin").filter(|origin| self.allows_origin(origin)) {
            None => response,
            Some(origin) => {
                let response = self.grant(response, origin);
                if self.exposed_headers.is_empty() {
                    response
                } else {
                    response.with("Access-Control-Expose-Headers", self.exposed_headers.join(", "))
                }
            }
        }
    }

    fn grant(&self, response: Response, origin: &str) -> Response {
        let any = self.allowed_origins.iter().any(|allowed| allowed == "*");
        let response = response.with("Access-Control-Allow-Origin", if any { "*" } else { origin });
        // Credentials do not go together with any origin.
        if any { response } else { response.with("Access-Control-Allow-Credentials", "true") }
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.allowed_origins.iter().any(|allowed| match allowed.to_ascii_lowercase().split_once('*') {
            None => *allowed.to_ascii_lowercase() == origin,
            Some((before, after)) => {
                origin.len() >= before.len() + after.len()
                    && origin.starts_with(before)
                    && origin.ends_with(after)
            }
        })
    }

    fn allows_header(&self, name: &str) -> bool {
        ALWAYS.iter().any(|known| name.eq_ignore_ascii_case(known))
            || self.allowed_headers.iter().any(|allowed| allowed == "*" || name.eq_ignore_ascii_case(allowed))
    }
}
