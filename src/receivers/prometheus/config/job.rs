//! A scrape job with everything decided: defaults filled in, rules compiled.

use std::time::Duration;

use super::http::HttpConfig;
use super::protocol::{NAMES, Protocol, accept};
use super::scrape::{FileSdConfig, Global, HttpSdConfig, KubernetesSdConfig, ScrapeConfig, StaticConfig};
use crate::config::Issues;
use crate::receivers::prometheus::relabel::{Rule, compile};

/// What is scraped how.
#[derive(Clone, Debug)]
pub struct Job {
    pub name: String,
    pub interval: Duration,
    pub timeout: Duration,
    pub path: String,
    pub scheme: String,
    pub params: Vec<(String, Vec<String>)>,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    pub compression: bool,
    pub accept: String,
    /// What an answer of no or an odd `Content-Type` is read as.
    pub fallback: Protocol,
    /// Whether native histograms are wanted, and whether their classic form is wanted beside.
    pub native: bool,
    pub classic_too: bool,
    pub extra_metrics: bool,
    pub limits: Limits,
    pub relabel: Vec<Rule>,
    pub metric_relabel: Vec<Rule>,
    pub external: Vec<(String, String)>,
    pub http: HttpConfig,
    pub statics: Vec<StaticConfig>,
    pub files: Vec<FileSdConfig>,
    pub services: Vec<HttpSdConfig>,
    pub kubernetes: Vec<KubernetesSdConfig>,
}

/// Bounds of one scrape; 0 = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub body: u64,
    pub samples: u64,
    pub labels: u64,
    pub name_length: u64,
    pub value_length: u64,
    pub targets: u64,
    pub native_buckets: u64,
}

impl Limits {
    /// Whether a scrape may turn out to be worth nothing when most of it was read.
    pub fn any_of_page(&self) -> bool {
        self.body > 0 || self.samples > 0 || self.any_of_labels() || self.native_buckets > 0
    }

    pub fn any_of_labels(&self) -> bool {
        self.labels > 0 || self.name_length > 0 || self.value_length > 0
    }
}

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

impl Job {
    /// Decides what `config` leaves open; what is wrong with it goes to `issues`, whose root it is.
    pub fn resolve(config: &ScrapeConfig, global: &Global, extra: bool, issues: &mut Issues<'_>) -> Self {
        if config.job_name.is_empty() {
            issues.error("job_name", "job_name is empty");
        }
        for key in config.foreign_discoveries() {
            issues.error(
                key,
                "is not part of this agent: use static_configs, file_sd_configs, http_sd_configs or \
                 kubernetes_sd_configs",
            );
        }
        let (interval, timeout) = times(config, global, issues);
        let scheme = config.scheme.clone().filter(|scheme| !scheme.is_empty());
        let scheme = scheme.unwrap_or_else(|| "http".to_owned());
        if !matches!(scheme.as_str(), "http" | "https") {
            issues.error("scheme", format!("\"{scheme}\" must be \"http\" or \"https\""));
        }
        let native = config.scrape_native_histograms.or(global.scrape_native_histograms).unwrap_or(false);
        let protocols = protocols(config, global, native, issues);
        let escaping = [&config.metric_name_escaping_scheme, &global.metric_name_escaping_scheme];
        let escaping = escaping.into_iter().find(|name| !name.is_empty()).map_or("allow-utf-8", |name| name);
        if !matches!(escaping, "allow-utf-8" | "underscores" | "dots" | "values") {
            issues.error(
                "metric_name_escaping_scheme",
                format!("\"{escaping}\" must be allow-utf-8, underscores, dots or values"),
            );
        }
        let fallback = match config.fallback_scrape_protocol.as_deref() {
            None | Some("") => Protocol::Text0,
            Some(name) => Protocol::named(name).unwrap_or_else(|| {
                issues.error(
                    "fallback_scrape_protocol",
                    format!("unknown protocol \"{name}\": choose from {NAMES}"),
                );
                Protocol::Text0
            }),
        };
        let http = config.http();
        http.validate(issues);
        for (n, service) in config.http_sd_configs.iter().enumerate() {
            let path = format!("http_sd_configs::{n}");
            service.http().validate(&mut issues.within(&path));
            if !service.url.starts_with("http://") && !service.url.starts_with("https://") {
                issues.error(&format!("{path}::url"), "must begin with http:// or https://");
            }
        }
        for (n, files) in config.file_sd_configs.iter().enumerate() {
            check_files(files, &format!("file_sd_configs::{n}"), issues);
        }
        for (n, kubernetes) in config.kubernetes_sd_configs.iter().enumerate() {
            check_kubernetes(kubernetes, &mut issues.within(&format!("kubernetes_sd_configs::{n}")));
        }
        let or = |own: u64, of_all: u64| if own > 0 { own } else { of_all };
        Self {
            name: config.job_name.clone(),
            interval,
            timeout,
            path: config
                .metrics_path
                .clone()
                .filter(|path| !path.is_empty())
                .unwrap_or_else(|| "/metrics".into()),
            scheme,
            params: config.params.clone().into_iter().collect(),
            honor_labels: config.honor_labels,
            honor_timestamps: config.honor_timestamps.unwrap_or(true),
            track_timestamps_staleness: config.track_timestamps_staleness,
            compression: config.enable_compression.unwrap_or(true),
            accept: accept(&protocols, escaping),
            fallback,
            native,
            classic_too: config
                .always_scrape_classic_histograms
                .or(global.always_scrape_classic_histograms)
                .unwrap_or(false),
            extra_metrics: extra
                || config.extra_scrape_metrics.or(global.extra_scrape_metrics).unwrap_or(false),
            limits: Limits {
                body: or(config.body_size_limit.0, global.body_size_limit.0),
                samples: or(config.sample_limit, global.sample_limit),
                labels: or(config.label_limit, global.label_limit),
                name_length: or(config.label_name_length_limit, global.label_name_length_limit),
                value_length: or(config.label_value_length_limit, global.label_value_length_limit),
                targets: or(config.target_limit, global.target_limit),
                native_buckets: config.native_histogram_bucket_limit,
            },
            relabel: compile(&config.relabel_configs, "relabel_configs", issues),
            metric_relabel: compile(&config.metric_relabel_configs, "metric_relabel_configs", issues),
            external: global.external_labels.clone().into_iter().collect(),
            http,
            statics: config.static_configs.clone(),
            files: config.file_sd_configs.clone(),
            services: config.http_sd_configs.clone(),
            kubernetes: config.kubernetes_sd_configs.clone(),
        }
    }
}

fn times(config: &ScrapeConfig, global: &Global, issues: &mut Issues<'_>) -> (Duration, Duration) {
    let set =
        |value: Option<super::PromDuration>| value.map(|value| value.0).filter(|value| !value.is_zero());
    let interval = set(config.scrape_interval).or(set(global.scrape_interval)).unwrap_or(INTERVAL);
    let inherited = set(global.scrape_timeout).unwrap_or(TIMEOUT).min(interval);
    let timeout = set(config.scrape_timeout).unwrap_or(inherited);
    if timeout > interval {
        issues.error(
            "scrape_timeout",
            format!(
                "scrape timeout greater than scrape interval for scrape config with job name \"{}\"",
                config.job_name
            ),
        );
    }
    (interval, timeout)
}

fn protocols(config: &ScrapeConfig, global: &Global, native: bool, issues: &mut Issues<'_>) -> Vec<Protocol> {
    let Some(names) = config.scrape_protocols.as_ref().or(global.scrape_protocols.as_ref()) else {
        return if native { Protocol::WITH_NATIVE.to_vec() } else { Protocol::DEFAULT.to_vec() };
    };
    let mut protocols = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let path = format!("scrape_protocols::{n}");
        match Protocol::named(name) {
            None => issues.error(&path, format!("unknown protocol \"{name}\": choose from {NAMES}")),
            Some(known) if protocols.contains(&known) => {
                issues.error(&path, format!("\"{name}\" is there twice"));
            }
            Some(known) => protocols.push(known),
        }
    }
    if protocols.is_empty() {
        issues.error("scrape_protocols", format!("must not be empty: choose from {NAMES}"));
    }
    if native && !protocols.contains(&Protocol::Proto) {
        issues.error(
            "scrape_protocols",
            "native histograms come by \"PrometheusProto\" alone: add it, or leave scrape_protocols out",
        );
    }
    protocols
}

fn check_files(config: &FileSdConfig, path: &str, issues: &mut Issues<'_>) {
    if config.files.is_empty() {
        issues.error(path, "needs at least one path in \"files\"");
    }
    for (n, file) in config.files.iter().enumerate() {
        let lower = file.to_ascii_lowercase();
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        if ![".json", ".yml", ".yaml"].iter().any(|ending| lower.ends_with(ending)) || folder.contains('*') {
            issues.error(
                &format!("{path}::files::{n}"),
                format!(
                    "\"{file}\" must end with .json, .yml or .yaml, and have \"*\" in the file's name alone"
                ),
            );
        }
    }
}

const ROLES: [&str; 6] = ["node", "pod", "service", "endpoints", "endpointslice", "ingress"];

fn check_kubernetes(config: &KubernetesSdConfig, issues: &mut Issues<'_>) {
    config.http().validate(issues);
    if !ROLES.contains(&config.role.as_str()) {
        issues.error("role", format!("\"{}\" is no role: choose from {}", config.role, ROLES.join(", ")));
    }
    if !config.api_server.is_empty() && !config.kubeconfig_file.is_empty() {
        issues.error("kubeconfig_file", "must not be set beside api_server");
    }
    if !config.api_server.is_empty() {
        let http = config.http();
        if http.basic_auth.is_some() {
            issues
                .error("basic_auth", "an API server takes no passwords: set authorization::credentials_file");
        }
        let kind = http.authorization.as_ref().map_or("", |auth| auth.kind.trim());
        if !kind.is_empty() && !kind.eq_ignore_ascii_case("bearer") {
            issues.error("authorization::type", "an API server takes Bearer tokens alone");
        }
    }
    for (n, selector) in config.selectors.iter().enumerate() {
        let known = match config.role.as_str() {
            "endpoints" => &["endpoints", "pod", "service", "node"][..],
            "endpointslice" => &["endpointslice", "pod", "service", "node"],
            "pod" => &["pod", "node"],
            _ => &[][..],
        };
        if selector.role != config.role && !known.contains(&selector.role.as_str()) {
            issues.error(
                &format!("selectors::{n}::role"),
                format!("role \"{}\" has no objects of \"{}\"", config.role, selector.role),
            );
        }
        if config.selectors[..n].iter().any(|other| other.role == selector.role) {
            issues.error(&format!("selectors::{n}"), format!("a second selector for \"{}\"", selector.role));
        }
    }
}
