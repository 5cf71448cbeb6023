//! `prometheus`: scrapes the metrics pages of targets that are configured or discovered.
//!
//! The rooms: [`config`] is what the user wrote; [`discovery`] finds targets; [`relabel`] chooses
//! and names them; [`exposition`] reads a page; [`convert`] makes OTLP of it; [`scrape`] is one visit
//! to one target, and what is remembered until the next; [`run`] decides who is visited when, on a
//! few threads for all targets. Upstream: `receiver/prometheusreceiver`, Prometheus 3's scrape loop.

mod client;
mod config;
pub mod convert;
mod discovery;
pub mod exposition;
mod relabel;
mod run;
pub mod scrape;

pub use client::HttpClient;
pub use config::{Job, PrometheusConfig, Protocol};

use crate::component::{ReceiverType, decode_receiver};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "prometheus",
    aliases: &[],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<PrometheusConfig>,
};
