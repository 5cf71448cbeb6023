//! The way to the backend is encrypted, and its certificate is good.

use super::super::backend::At;
use super::super::{Facts, Finding};

const NAME: &str = "tls";

pub fn check(facts: &Facts) -> Vec<Finding> {
    let Some(probe) = facts.backend() else { return vec![Finding::skipped(NAME, "no backend")] };
    vec![match &probe.answer {
        Err(trouble) if trouble.at == At::Tls => Finding::failed(
            NAME,
            format!("{}: {}", probe.url, trouble.text),
            "name the authority of the certificate in the exporter's tls::ca_file; a proxy that opens TLS has one of its own; for a server without TLS write http://",
        ),
        Err(_) => Finding::skipped(NAME, "the backend cannot be reached"),
        Ok(_) if probe.url.starts_with("https://") => Finding::ok(NAME, "the certificate is trusted"),
        Ok(_) if is_near(&probe.url) => Finding::ok(NAME, "none needed: the backend is on this machine"),
        Ok(_) => Finding::warning(
            NAME,
            format!("{} is not encrypted: the key and all data can be read on the way", probe.url),
            "use https://, if the backend is outside of the cluster",
        ),
    }]
}

fn is_near(url: &str) -> bool {
    ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|near| url.starts_with(near))
}
