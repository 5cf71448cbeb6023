use super::*;
use crate::config::{Decoder, from_yaml};

/// What is wrong with that configuration, a line a finding.
fn issues(yaml: &str) -> String {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    let _ = (TYPE.decode)(&mut decoder);
    decoder.into_found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn endpoints_are_understood_as_the_collector_does() {
    for (endpoint, want) in [
        ("collector:4317", ("collector:4317", None)),
        ("https://collector:4317/", ("collector:4317", Some(true))),
        ("http://[::1]:4317", ("[::1]:4317", Some(false))),
        ("dns:///collector:4317", ("collector:4317", None)),
    ] {
        let config = OtlpConfig { endpoint: endpoint.to_owned(), ..OtlpConfig::default() };
        assert_eq!(config.address().unwrap(), (want.0.to_owned(), want.1), "{endpoint}");
    }
}

#[test]
fn what_cannot_work_is_an_error_with_its_place() {
    for (yaml, want) in [
        ("timeout: 1s", "requires a non-empty \"endpoint\""),
        ("endpoint: collector", "must be host:port"),
        ("endpoint: 'unix:///x'", "is not part of this agent"),
        ("{endpoint: 'c:1', compression: lz4}", "unsupported compression type \"lz4\""),
        ("{endpoint: 'c:1', auth: {authenticator: oidc}}", "are not part of this agent"),
        ("{endpoint: 'c:1', tls: {cert_file: /c}}", "certificate and key go together"),
        ("{endpoint: 'c:1', endpont: x}", "endpont"),
    ] {
        let found = issues(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    assert_eq!(issues("{endpoint: 'c:4317', tls: {insecure: true}, keepalive: {time: 30s}}"), "");
}
