use super::*;
use crate::config::from_yaml;

fn resolve(config: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<(String, String)>> {
    let config: EbpfConfig = from_yaml(config).unwrap();
    Settings::resolve(&config, &|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn without_a_word_everything_is_on() {
    let settings = resolve("{}", &[]).unwrap();
    let wanted = &settings.wanted;
    assert!(settings.enabled && wanted.flows && wanted.tcp && wanted.drops && wanted.dns);
    assert!(wanted.ingress && wanted.egress && !wanted.at_interfaces);
    assert_eq!((wanted.max_flows, wanted.sampling), (20_000, 1));
    assert!(settings.kubernetes.is_none(), "there is no cluster");
}

#[test]
fn the_keys_of_obi_work() {
    let config = "
network:
  enable: true
  source: tc
  direction: egress
  cidrs: [10.0.0.0/8, {name: vpn, cidr: 10.9.0.0/16}]
  sampling: 10
  cache_max_flows: 5000
  cache_active_timeout: 5s
  exclude_interfaces: [lo, docker0]
  protocols: [tcp]
  deduper: first_come
attributes:
  kubernetes: {enable: false, cluster_name: prod}
  select:
    obi_network_flow_bytes: {include: [k8s.src.owner.name, k8s_dst_owner_name, 'src.*', client.port]}
discovery:
  services: [{k8s_namespace: shop, open_ports: '80,8000-8010'}]
metrics:
  features: [network, network_inter_zone]
";
    let settings = resolve(config, &[]).unwrap();
    let wanted = &settings.wanted;
    assert!(wanted.at_interfaces && wanted.egress && !wanted.ingress);
    assert_eq!((wanted.sampling, wanted.max_flows, settings.protocols.as_slice()), (10, 5000, &[6][..]));
    assert!(settings.bytes && !settings.packets && settings.inter_zone && !wanted.tcp);
    assert_eq!(settings.cluster_name, "prod");
    let name = settings.cidrs.name("10.9.1.1".parse().unwrap()).map(ToString::to_string);
    assert_eq!(name.as_deref(), Some("vpn"));
}

#[test]
fn the_environment_switches_it_off_and_names_ranges() {
    let off = resolve("{network: {enable: true}}", &[("KM_EBPF_NETWORK_ENABLED", "false")]).unwrap();
    assert!(!off.enabled);
    let on = resolve("{network: {enable: false}}", &[("KM_EBPF_NETWORK_ENABLED", "true")]).unwrap();
    assert!(on.enabled);
    let ranges = [("KM_EBPF_NETWORK_CIDRS", "office=198.51.100.0/24")];
    let name = |config: &str| {
        let settings = resolve(config, &ranges).unwrap();
        settings.cidrs.name("198.51.100.7".parse().unwrap()).map(ToString::to_string)
    };
    assert_eq!(name("{}").as_deref(), Some("office"));
    assert_eq!(name("{cidrs: {lab: 198.51.0.0/16}}").as_deref(), Some("lab"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let config = "
collection_interval: 0s
features: [flows, http]
direction: sideways
max_flows: 3
cidrs: {x: 10.0.0.0/40}
network: {source: xdp}
include: [{}, {ports: [80-70], namespaces: ['a[']}]
attributes: {select: {obi.network.flow.bytes: {include: [k8s.src.nom]}, cpu: {}}}
metrics: {features: [application]}
";
    let mistakes = resolve(config, &[("KM_EBPF_NETWORK_ENABLED", "maybe")]).unwrap_err();
    let paths: Vec<&str> = mistakes.iter().map(|(path, _)| path.as_str()).collect();
    for path in [
        "collection_interval",
        "features::1",
        "direction",
        "max_flows",
        "cidrs",
        "network::source",
        "network::enable",
        "include::0",
        "include::1::ports",
        "include::1::namespaces",
        "attributes::select::obi.network.flow.bytes::include::0",
        "attributes::select::cpu",
        "metrics::features::0",
    ] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
}
