//! Every key that users know of a processor is taken, with a value that is not its default.

use crate::config::{Decoder, Node, from_yaml};
use crate::processors::TYPES;

const KEYS: &[(&str, &str)] = &[
    ("attributes", "
include: {match_type: strict, services: [a], span_names: [b], span_kinds: [SPAN_KIND_SERVER], libraries: [{name: c, version: '1'}], attributes: [{key: d, value: 1}], resources: [{key: e}]}
exclude: {match_type: regexp, regexp: {cacheenabled: true, cachemaxnumentries: 10}, log_bodies: [a], log_severity_texts: [b], log_severity_number: {min: 13, match_undefined: true}}
actions:
  - {key: a, action: INSERT, value: [1, {b: 2}]}
  - {key: a, action: update, from_attribute: b, default_value: 1}
  - {key: a, action: upsert, from_context: metadata.x}
  - {pattern: '^x', action: delete}
  - {pattern: '^y', action: hash}
  - {key: a, action: extract, pattern: '(?P<z>.*)'}
  - {key: a, action: convert, converted_type: int}
"),
    ("batch", "{send_batch_size: 10, send_batch_max_size: 20, timeout: 1s, metadata_keys: [], metadata_cardinality_limit: 5}"),
    ("cumulativetodelta", "{include: {match_type: regexp, metrics: [a], metric_types: [sum, histogram, exponentialhistogram]}, exclude: {match_type: strict, metrics: [b]}, max_staleness: 2h, initial_value: keep}"),
    ("deltatorate", "{metrics: [a]}"),
    ("filter", "
error_mode: silent
logs: {resource: ['true'], log_record: ['true']}
metrics: {resource: ['true'], metric: ['HasAttrKeyOnDatapoint(\"a\")'], datapoint: ['true']}
traces: {resource: ['true'], span: ['true'], spanevent: ['true']}
"),
    ("filter", "
logs:
  include: {match_type: strict, resource_attributes: [{key: a, value: 1}], record_attributes: [{key: b}], severity_texts: [c], bodies: [d], severity_number: {min: INFO, match_undefined: true}}
metrics:
  include: {match_type: expr, expressions: ['HasLabel(\"a\")']}
  exclude: {match_type: regexp, metric_names: [a], resource_attributes: [{key: a, value: b}], regexp: {cacheenabled: true, cachemaxnumentries: 1}}
spans:
  exclude: {match_type: strict, services: [a], span_names: [b], attributes: [{key: c}], resources: [{key: d}], libraries: [{name: e, version: f}], span_kinds: [SPAN_KIND_CLIENT]}
"),
    ("groupbyattrs", "{keys: [a, b]}"),
    ("groupbytrace", "{wait_duration: 2s, num_traces: 10, num_workers: 2, discard_orphans: false, store_on_disk: false}"),
    ("isolationforest", "
forest_size: 10
subsample_size: 16
contamination_rate: 0.2
mode: both
threshold: 0.5
training_window: 12h
update_frequency: 30m
min_samples: 10
score_attribute: score
classification_attribute: odd
features: {traces: [duration], metrics: [value], logs: [severity_number]}
models: [{name: m, selector: {a: b}, features: [duration], threshold: 0.1, forest_size: 5, subsample_size: 8, contamination_rate: 0.3}]
performance: {max_memory_mb: 64, batch_size: 10, parallel_workers: 1}
adaptive_window: {enabled: true, min_window_size: 10, max_window_size: 100, memory_limit_mb: 16, adaptation_rate: 0.2, velocity_threshold: 10, stability_check_interval: 1m}
"),
    ("k8sattributes", "
auth_type: kubeConfig
context: c
passthrough: true
wait_for_metadata: true
wait_for_metadata_timeout: 5s
filter: {node: a, namespace: b, labels: [{key: c, value: d, op: equals}], fields: [{key: e, value: f, op: not-equals}]}
extract:
  metadata: [k8s.pod.name]
  labels: [{tag_name: a, key: b, from: pod}]
  annotations: [{tag_name: a, key_regex: 'b(.*)', from: namespace}]
  otel_annotations: true
pod_association: [{sources: [{from: connection}]}]
exclude: {pods: [{name: x}]}
"),
    ("memory_limiter", "{check_interval: 1s, limit_mib: 400, spike_limit_mib: 100, limit_percentage: 50, spike_limit_percentage: 10, min_gc_interval_when_soft_limited: 20s, min_gc_interval_when_hard_limited: 1s}"),
    ("metricstransform", "
transforms:
  - {include: a, match_type: strict, action: insert, new_name: b, experimental_match_labels: {c: d}, operations: [{action: add_label, new_label: e, new_value: 'v{{version}}'}, {action: toggle_scalar_data_type}, {action: experimental_scale_value, experimental_scale: 10}]}
  - {include: '^(a)$', match_type: regexp, action: update, new_name: 'b.$1', operations: [{action: update_label, label: a, new_label: b, value_actions: [{value: c, new_value: d}]}, {action: delete_label_value, label: a, label_value: b}, {action: aggregate_labels, label_set: [a], aggregation_type: mean}, {action: aggregate_label_values, label: a, aggregated_values: [b], new_value: c, aggregation_type: median}]}
  - {include: '^(?P<x>a)$', match_type: regexp, action: combine, new_name: c, aggregation_type: max, submatch_case: upper}
  - {include: a, action: group, group_resource_labels: {a: b}}
"),
    ("probabilistic_sampler", "{sampling_percentage: 10, hash_seed: 7, mode: equalizing, fail_closed: false, sampling_precision: 5, attribute_source: traceID, from_attribute: a, sampling_priority: b}"),
    ("redaction", "
allow_all_keys: true
allowed_keys: [a]
ignored_keys: [b]
ignored_key_patterns: ['^c']
redact_all_types: true
blocked_key_patterns: [d]
blocked_values: [e]
allowed_values: [f]
hash_function: sha3
summary: debug
url_sanitizer: {enabled: true, attributes: [a], sanitize_span_name: false, sanitize_log_body: false}
db_sanitizer: {sql: {enabled: true, attributes: [a]}, redis: {enabled: true}, valkey: {enabled: true}, memcached: {enabled: true}, mongo: {enabled: true}, opensearch: {enabled: true}, es: {enabled: true}, sanitize_span_name: false, allow_fallback_without_system: true}
"),
    ("resource", "{attributes: [{key: a, action: upsert, value: 1}]}"),
    ("resourcedetection", "
detectors: [env, system, docker, k8snode, kubeadm, ec2, ecs, eks, elasticbeanstalk, lambda, azure, aks, gcp, heroku, consul]
override: false
timeout: 1s
refresh_interval: 1h
system: {hostname_sources: [os, dns, cname, lookup], resource_attributes: {host.id: {enabled: true}, host.arch: {enabled: true}, host.ip: {enabled: true}, host.mac: {enabled: true}, host.interface: {enabled: true}, os.description: {enabled: true}, os.name: {enabled: true}, os.version: {enabled: true}, os.build.id: {enabled: true}, host.cpu.vendor.id: {enabled: true}, host.cpu.family: {enabled: true}, host.cpu.model.id: {enabled: true}, host.cpu.model.name: {enabled: true}, host.cpu.stepping: {enabled: true}, host.cpu.cache.l2.size: {enabled: true}}}
docker: {resource_attributes: {host.name: {enabled: false}}}
k8snode: {auth_type: kubeConfig, context: c, node_from_env_var: N, resource_attributes: {k8s.node.uid: {enabled: false}}}
kubeadm: {auth_type: none, resource_attributes: {k8s.cluster.name: {enabled: false}}}
ec2: {tags: ['^a$'], max_attempts: 2, max_backoff: 5m, fail_on_missing_metadata: true}
eks: {resource_attributes: {k8s.cluster.name: {enabled: true}}}
aks: {resource_attributes: {k8s.cluster.name: {enabled: true}}}
"),
    ("span", "{include: {match_type: strict, services: [a]}, exclude: {match_type: regexp, span_names: [b]}, name: {from_attributes: [a], separator: ':'}, status: {code: Error, description: d}}"),
    ("span", "{name: {to_attributes: {rules: ['^/(?P<x>.*)$'], break_after_match: true, keep_original_name: true}}}"),
    ("transform", "
error_mode: silent
flatten_data: false
log_statements: [{context: log, error_mode: propagate, conditions: ['true'], statements: ['set(attributes[\"a\"], 1)']}]
metric_statements: ['set(metric.name, \"a\")']
trace_statements: [{statements: ['set(span.name, \"a\")']}]
"),
];

#[test]
fn every_key_of_every_processor_is_accepted() {
    for kind in TYPES {
        assert!(KEYS.iter().any(|(name, _)| *name == kind.name), "{} is not looked at", kind.name);
    }
    for (name, yaml) in KEYS {
        let kind = TYPES.iter().find(|kind| kind.name == *name).unwrap();
        let node: Node = from_yaml(yaml).unwrap();
        let mut decoder = Decoder::new(&node);
        let config = (kind.decode)(&mut decoder);
        assert!(config.is_some(), "{name}: {:?}", decoder.found());
        let errors: Vec<String> = decoder.into_found().iter().map(ToString::to_string).collect();
        assert!(errors.iter().all(|line| line.contains("has no effect")), "{name}: {errors:#?}");
    }
}
