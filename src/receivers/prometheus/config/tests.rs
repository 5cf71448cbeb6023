//! What is decided, and what is refused at start.

use std::time::Duration;

use super::*;
use crate::config::from_yaml;
use crate::receivers::prometheus::TYPE;

fn check(yaml: &str) -> String {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    (TYPE.decode)(&mut decoder);
    decoder.found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn jobs_inherit_what_they_leave_open() {
    let config: PrometheusConfig = from_yaml(
        "
config:
  global: {scrape_interval: 30s, scrape_timeout: 20s, external_labels: {cluster: c1}, sample_limit: 7}
  scrape_configs:
    - {job_name: a, static_configs: [{targets: ['h:1']}]}
    - {job_name: b, scrape_interval: 5s, metrics_path: /m, scheme: https, honor_timestamps: false,
       body_size_limit: 10MB, params: {x: [y]}}
",
    )
    .unwrap();
    let jobs = config.resolved();
    let secs = Duration::from_secs;
    assert_eq!((jobs[0].interval, jobs[0].timeout), (secs(30), secs(20)));
    // An inherited timeout gives way to the interval.
    assert_eq!((jobs[1].interval, jobs[1].timeout), (secs(5), secs(5)));
    assert_eq!((jobs[0].path.as_str(), jobs[0].scheme.as_str()), ("/metrics", "http"));
    assert_eq!((jobs[1].path.as_str(), jobs[1].limits.body), ("/m", 10 << 20));
    assert_eq!((jobs[0].limits.samples, jobs[0].external.len()), (7, 1));
    assert!(jobs[0].honor_timestamps && !jobs[1].honor_timestamps);
}

#[test]
fn mistakes_in_the_configuration_are_named_with_their_place() {
    let job = |rest: &str| format!("config: {{scrape_configs: [{{job_name: a, {rest}}}]}}");
    for (yaml, wanted) in [
        ("{}".to_owned(), "no Prometheus scrape_configs set"),
        (
            "config: {scrape_configs: [{job_name: a}, {job_name: a}]}".to_owned(),
            "found multiple scrape configs with job name \"a\"",
        ),
        ("config: {scrape_configs: [{job_name: ''}]}".to_owned(), "job_name is empty"),
        (
            "config: {remote_write: [{url: x}], rule_files: [y], scrape_configs: [{job_name: a}]}".to_owned(),
            "unsupported features: remote_write, rule_files",
        ),
        (job("scrape_timeout: 2m"), "scrape timeout greater than scrape interval"),
        (job("scrape_intervall: 2m"), "did you mean \"scrape_interval\""),
        (job("scrape_interval: 1.5s"), "is no duration"),
        (job("scheme: ftp"), "must be \"http\" or \"https\""),
        (job("scrape_protocols: [Text]"), "unknown protocol \"Text\""),
        (job("scrape_protocols: [PrometheusText0.0.4, PrometheusText0.0.4]"), "is there twice"),
        (
            job("bearer_token_file: /nowhere/token"),
            "error checking authorization credentials file \"/nowhere/token\"",
        ),
        (job("bearer_token: a, basic_auth: {username: b}"), "at most one of basic_auth and bearer_token"),
        (job("oauth2: {client_id: x}"), "OAuth 2.0 is not part of this agent"),
        (job("consul_sd_configs: [{server: x}]"), "consul_sd_configs: is not part of this agent"),
        (job("kubernetes_sd_configs: [{role: pods}]"), "is no role: choose from node, pod"),
        (
            job("kubernetes_sd_configs: [{role: pod, api_server: 'https://k', basic_auth: {username: b}}]"),
            "kubernetes_sd_configs::0::basic_auth: an API server takes no passwords",
        ),
        (
            job(
                "kubernetes_sd_configs: [{role: pod, api_server: 'https://k', authorization: {type: Token, credentials: b}}]",
            ),
            "kubernetes_sd_configs::0::authorization::type: an API server takes Bearer tokens alone",
        ),
        (job("file_sd_configs: [{files: [/a/*/b.json]}]"), "in the file's name alone"),
        (
            job("relabel_configs: [{regex: 'a(', action: labeldrop}]"),
            "relabel_configs::0::regex: bad regular expression",
        ),
        (job("metric_relabel_configs: [{action: hashmod}]"), "metric_relabel_configs::0"),
        (job("tls_config: {cert_file: /nowhere/cert}"), "error checking client cert file"),
        (job("http_headers: {Accept: {values: [x]}}"), "is set by the agent"),
    ] {
        let found = check(&yaml);
        assert!(found.contains(wanted), "{yaml}: {found}");
    }
    assert_eq!(check(&job("static_configs: [{targets: ['localhost:9100']}]")), "");
    assert!(
        check("{use_start_time_metric: true, config: {scrape_configs: [{job_name: a}]}}")
            .contains("no effect")
    );
}
