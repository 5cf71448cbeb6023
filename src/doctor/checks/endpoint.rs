//! The backend can be reached.

use super::super::backend::At;
use super::super::{Facts, Finding};

const NAME: &str = "endpoint";

pub fn check(facts: &Facts) -> Vec<Finding> {
    let Some(probe) = facts.backend() else {
        return vec![Finding::skipped(NAME, "no otlphttp exporter and no KM_COLLECTOR_ENDPOINT")];
    };
    let url = &probe.url;
    vec![match &probe.answer {
        Ok(answer) => match answer.status {
            200..300 | 400 | 401 | 403 | 415 | 429 | 503 => Finding::ok(NAME, format!("{url} answers")),
            404 | 405 => Finding::failed(
                NAME,
                format!("{url} answers with status {}: nothing takes OTLP there", answer.status),
                "set KM_COLLECTOR_ENDPOINT to the address without /v1/logs",
            ),
            status => Finding::warning(
                NAME,
                format!("{url} answers with status {status}: {}", answer.text),
                "see whether the backend is well",
            ),
        },
        Err(trouble) => {
            let fix = match trouble.at {
                At::Name => {
                    "check the name in KM_COLLECTOR_ENDPOINT and the cluster's DNS; on the host's network a pod needs dnsPolicy ClusterFirstWithHostNet"
                }
                At::Connection | At::Time => {
                    "check port, firewalls, network policies (egress) and HTTPS_PROXY"
                }
                At::Tls => "see the finding of tls",
                At::Other => "check KM_COLLECTOR_ENDPOINT",
            };
            Finding::failed(NAME, format!("{url} cannot be reached: {}", trouble.text), fix)
        }
    }]
}
