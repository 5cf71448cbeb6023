//! From discovered labels to a target: relabelling, defaults, the address.

use std::borrow::Cow;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::receivers::prometheus::config::Job;
use crate::receivers::prometheus::config::values::{parse_duration, show_duration};
use crate::receivers::prometheus::convert::{Identity, discovered};
use crate::receivers::prometheus::relabel::{Label, Labels, apply};

/// Names and values, as a discovery gives them.
pub type LabelSet = Vec<(String, String)>;

/// Somebody to be scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub url: String,
    pub interval: Duration,
    pub timeout: Duration,
    /// All labels that its series get, job and instance among them, sorted by name.
    pub labels: LabelSet,
    pub identity: Identity,
    /// Equal for equal labels and URLs: what the target is known by.
    pub key: u64,
}

/// Why what was discovered is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// On purpose.
    #[error("dropped by relabel_configs")]
    Dropped,
    #[error("there is no address: __address__ is empty")]
    NoAddress,
    #[error("\"{0}\" is no address: write host:port without a path")]
    BadAddress(String),
    #[error("\"{0}\" is no scheme: relabel_configs must leave http or https in __scheme__")]
    BadScheme(String),
    #[error("{0} \"{1}\" is no duration")]
    BadDuration(&'static str, String),
}

impl Target {
    /// Applies the job's rules to what was discovered.
    pub fn new(discovered_labels: &LabelSet, job: &Job) -> Result<Self, NoTarget> {
        let before = with_defaults(discovered_labels, job);
        let mut labels = before.clone();
        if !apply(&job.relabel, &mut labels) {
            return Err(NoTarget::Dropped);
        }
        let address = labels.value("__address__").to_owned();
        if address.is_empty() {
            return Err(NoTarget::NoAddress);
        }
        if address.contains('/') || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NoTarget::BadAddress(address));
        }
        let scheme = labels.value("__scheme__").to_owned();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(NoTarget::BadScheme(scheme));
        }
        let duration = |name: &'static str| {
            let text = labels.value(name);
            parse_duration(text)
                .filter(|duration| !duration.is_zero())
                .ok_or_else(|| NoTarget::BadDuration(name, text.to_owned()))
        };
        let interval = duration("__scrape_interval__")?;
        let timeout = duration("__scrape_timeout__")?.min(interval);
        let url = url(&scheme, &address, labels.value("__metrics_path__"), job, &labels);
        let meta =
            |name: &str| discovered_labels.iter().find(|(known, _)| known == name).map_or("", |(_, v)| v);
        let own = discovered(&|name| meta(name).to_owned());
        if labels.value("instance").is_empty() {
            labels.set(Cow::Borrowed("instance"), Cow::Owned(address));
        }
        let mut labels: LabelSet = labels
            .into_iter()
            .filter(|label| !label.name.starts_with("__"))
            .map(|label| (label.name.into_owned(), label.value.into_owned()))
            .collect();
        labels.sort_unstable();
        let find = |name: &str| {
            labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let identity = Identity { job: find("job"), instance: find("instance"), scheme, discovered: own };
        let key = labels.iter().fold(xxh3_64_with_seed(url.as_bytes(), 0), |key, (name, value)| {
            xxh3_64_with_seed(value.as_bytes(), xxh3_64_with_seed(name.as_bytes(), key))
        });
        Ok(Self { url, interval, timeout, labels, identity, key })
    }

    /// The labels as a message shows them.
    pub fn shown(&self) -> String {
        let labels: Vec<_> = self.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("{{{}}}", labels.join(", "))
    }
}

fn with_defaults<'a>(discovered: &'a LabelSet, job: &'a Job) -> Vec<Label<'a>> {
    let mut labels: Vec<Label<'a>> = Vec::with_capacity(discovered.len() + 6);
    for (name, value) in discovered {
        labels.set(Cow::Borrowed(name), Cow::Borrowed(value));
    }
    let mut default = |name: Cow<'a, str>, value: Cow<'a, str>| {
        if labels.value(&name).is_empty() {
            labels.set(name, value);
        }
    };
    default(Cow::Borrowed("job"), Cow::Borrowed(&job.name));
    default(Cow::Borrowed("__scheme__"), Cow::Borrowed(&job.scheme));
    default(Cow::Borrowed("__metrics_path__"), Cow::Borrowed(&job.path));
    default(Cow::Borrowed("__scrape_interval__"), Cow::Owned(show_duration(job.interval)));
    default(Cow::Borrowed("__scrape_timeout__"), Cow::Owned(show_duration(job.timeout)));
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            default(Cow::Owned(format!("__param_{name}")), Cow::Borrowed(first));
        }
    }
    labels
}

/// The address to visit; `__param_…` labels replace the first value of their parameter.
fn url(scheme: &str, address: &str, path: &str, job: &Job, labels: &Vec<Label<'_>>) -> String {
    let mut params = job.params.clone();
    for label in labels {
        let Some(name) = label.name.strip_prefix("__param_") else { continue };
        match params.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if !values.is_empty() => values[0] = label.value.to_string(),
            Some((_, values)) => values.push(label.value.to_string()),
            None => params.push((name.to_owned(), vec![label.value.to_string()])),
        }
    }
    params.sort();
    let slash = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
    let mut url = format!("{scheme}://{address}{slash}{path}");
    let mut separator = if path.contains('?') { '&' } else { '?' };
    for (name, values) in &params {
        for value in values {
            url.push(separator);
            separator = '&';
            encode(name, &mut url);
            url.push('=');
            encode(value, &mut url);
        }
    }
    url
}

/// Percent-encoding of a query, as HTML forms have it.
fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
            b' ' => url.push('+'),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
}
