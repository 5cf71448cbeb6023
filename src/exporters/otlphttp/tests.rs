use super::*;
use crate::config::{Decoder, from_yaml};

fn config(yaml: &str) -> OtlpHttpConfig {
    from_yaml(yaml).unwrap()
}

/// What is wrong with that configuration, a line a finding.
fn issues(yaml: &str) -> String {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    let _ = (TYPE.decode)(&mut decoder);
    decoder.into_found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn urls_are_made_from_the_base_or_taken_as_they_are() {
    for (yaml, want) in [
        ("endpoint: https://h:4318", Some("https://h:4318/v1/logs")),
        ("endpoint: https://h:4318/", Some("https://h:4318/v1/logs")),
        ("endpoint: https://h/otlp", Some("https://h/otlp/v1/logs")),
        ("{endpoint: https://h, logs_endpoint: https://l/x/}", Some("https://l/x/")),
        ("metrics_endpoint: https://m", None),
    ] {
        assert_eq!(config(yaml).url(Signal::Logs).as_deref(), want, "{yaml}");
    }
    assert_eq!(config("endpoint: http://h").url(Signal::Traces).as_deref(), Some("http://h/v1/traces"));
}

#[test]
fn the_stock_configuration_and_its_defaults_are_those_of_the_collector() {
    let stock = "endpoint: https://otel.example.com\nheaders:\n  Authorization: key";
    assert_eq!(issues(stock), "");
    let config = config(stock);
    assert_eq!(config.timeout, Duration::from_secs(30));
    assert_eq!(config.codec(), Ok(Some(Codec::Gzip)));
    let sending = config.sending();
    let queue = sending.queue().unwrap();
    assert_eq!((queue.num_consumers, queue.queue_size), (10, 1000));
    assert_eq!(sending.retry_on_failure.max_elapsed_time, Duration::from_mins(5));
    assert!(!format!("{config:?}").contains("key\""), "a header value shows");
}

#[test]
fn headers_come_as_a_map_or_as_a_list() {
    for yaml in [
        "headers: {X-A: one, X-B: ''}",
        "headers: [{name: X-A, value: one}, {name: X-B}]",
        "headers: {X-A: one, X-B: null}",
    ] {
        let map = config(yaml).headers.to_map().unwrap();
        assert_eq!((map["x-a"].as_bytes(), map["x-b"].as_bytes()), (&b"one"[..], &b""[..]), "{yaml}");
    }
    assert!(config("headers: null").headers.0.is_empty());
}

#[test]
fn what_cannot_work_is_an_error_with_its_place() {
    for (yaml, want) in [
        ("timeout: 1s", "at least one endpoint must be specified"),
        ("endpoint: localhost:4318", "must begin with http:// or https://"),
        ("endpoint: ftp://h", "must begin with http:// or https://"),
        ("{endpoint: http://h, compression: brotli}", "unsupported compression type \"brotli\""),
        ("{endpoint: http://h, compression_params: {level: 10}}", "unsupported level 10"),
        ("{endpoint: http://h, compression: snappy, compression_params: {level: 1}}", "unsupported level 1"),
        ("{endpoint: http://h, headers: {'a b': x}}", "is no header name"),
        ("{endpoint: http://h, headers: {X-Key: \"se\\ncret\"}}", "the value of \"X-Key\""),
        ("{endpoint: http://h, proxy_url: 'socks5://p:1080'}", "must be an http:// or https:// proxy"),
        ("{endpoint: http://h, auth: {authenticator: oidc}}", "are not part of this agent"),
        ("{endpoint: http://h, tls: {cert_file: /c}}", "certificate and key go together"),
        ("{endpoint: http://h, tls: {ca_file: /c, ca_pem: x}}", "exclude each other"),
        ("{endpoint: http://h, tls: {min_version: '1.3', max_version: '1.2'}}", "no TLS version is left"),
        ("{endpoint: http://h, tls: {cipher_suites: [RC4]}}", "\"RC4\" is no cipher suite"),
        ("{endpoint: http://h, sending_queue: {queue_size: 0}}", "must be greater than 0"),
        ("{endpoint: http://h, encoding: xml}", "xml"),
        ("{endpoint: http://h, endpont: x}", "endpont"),
    ] {
        let found = issues(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
        assert!(!found.contains("cret"), "a header value shows: {found}");
    }
}

#[test]
fn cipher_suites_have_the_names_of_the_collector() {
    let suites = "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], curve_preferences: [X25519, P256]";
    assert_eq!(issues(&format!("{{endpoint: https://h, tls: {{{suites}}}}}")), "");
}
