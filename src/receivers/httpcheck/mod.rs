//! `httpcheck`: asks URLs and tells what they answer, and how fast.
//!
//! [`check::Check`] is one request, [`validation`] looks at the body, [`source::HttpChecks`] makes
//! metrics of it. Upstream: `receiver/httpcheckreceiver`.

mod check;
mod config;
mod source;
#[cfg(test)]
mod tests;
mod validation;

pub use config::HttpCheckConfig;

use crate::component::{ReceiverType, decode_receiver};
use crate::metric_table;
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "httpcheck",
    aliases: &["http_check"],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<HttpCheckConfig>,
};

metric_table! {
    pub enum HttpCheckMetric {
        Duration: Gauge Int on "httpcheck.duration" "ms" ["http.url"]
            "Measures the duration of the HTTP check.";
        Error: UpDown Int on "httpcheck.error" "{error}" ["http.url", "error.message"]
            "Records errors occurring during HTTP check.";
        ResponseSize: Gauge Int off "httpcheck.response.size" "By" ["http.url"]
            "Size of the response body.";
        Status: UpDown Int on "httpcheck.status" "1"
            ["http.url", "http.status_code", "http.method", "http.status_class"]
            "1 if the check resulted in status_code matching the status_class, otherwise 0.";
        ValidationFailed: UpDown Int off "httpcheck.validation.failed" "{validation}" ["http.url", "validation.type"]
            "Number of response validations that failed.";
        ValidationPassed: UpDown Int off "httpcheck.validation.passed" "{validation}" ["http.url", "validation.type"]
            "Number of response validations that passed.";
    }
}
