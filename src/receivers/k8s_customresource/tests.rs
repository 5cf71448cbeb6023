//! From recorded objects to points, by configurations as kube-state-metrics has them.

use std::sync::Arc;

use super::rules::{Points, Rules};
use super::values::number;
use super::{CustomResourceConfig, TYPE};
use crate::config::{Decoder, Node, from_yaml};
use crate::kube::{Object, Pool};

const WIDGETS: &str = include_str!("../../../tests/fixtures/kube/api/widgets.json");

fn points_of(yaml: &str) -> Vec<String> {
    let config: CustomResourceConfig = from_yaml(yaml).unwrap_or_else(|error| panic!("{error}"));
    let rules = Arc::new(Rules::new(&config.resources[0]));
    let list: serde_json::Value = serde_json::from_str(WIDGETS).unwrap();
    let mut out = Vec::new();
    for item in list["items"].as_array().unwrap() {
        let parsed = Points::parse(item.to_string().as_bytes(), &rules, &mut Pool::default()).unwrap();
        for point in &parsed.object.points {
            let labels: Vec<_> = point.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let name = &rules.metrics[point.metric].name;
            out.push(format!("{} {name} {{{}}} {}", parsed.name, labels.join(","), point.value));
        }
    }
    out
}

#[test]
fn gauges_state_sets_infos_and_conditions_of_recorded_widgets() {
    let found = points_of(
        "
resources:
  - groupVersionKind: {group: example.com, kind: Widget, version: v1}
    metricNamePrefix: widget
    commonLabels: {team: parts}
    labelsFromPath: {colour: [spec, colour]}
    metrics:
      - name: replicas
        help: wanted
        each: {type: Gauge, gauge: {path: [spec, replicas]}}
      - name: weight
        each: {type: Gauge, gauge: {path: [spec, weight]}}
      - name: paused
        each: {type: Gauge, gauge: {path: [spec, paused]}}
      - name: synced
        each: {type: Gauge, gauge: {path: [status, lastSync], nilIsZero: true}}
      - name: part
        each:
          type: Gauge
          gauge: {path: [spec, parts], valueFrom: [count], labelsFromPath: {part: [name]}}
      - name: axle_ratio
        each: {type: Gauge, gauge: {path: [spec, parts, '[name=axle]', ratio]}}
      - name: last_part
        each: {type: Gauge, gauge: {path: [spec, parts, '-1', count]}}
      - name: tag
        each: {type: Gauge, gauge: {path: [spec, tags], labelFromKey: tag}}
      - name: phase
        each: {type: StateSet, stateSet: {labelName: phase, path: [status, phase], list: [Ready, Failed]}}
      - name: info
        each: {type: Info, info: {path: [spec, tags], labelsFromPath: {'tag_*': [], size: [owner]}}}
      - name: condition
        each: {type: conditions}
",
    );
    for want in [
        "left-hand widget_replicas {colour=blau,team=parts} 3",
        "spare widget_replicas {team=parts} 1",
        "left-hand widget_weight {colour=blau,team=parts} 0.25",
        "spare widget_weight {team=parts} 3",
        "left-hand widget_paused {colour=blau,team=parts} 0",
        "spare widget_paused {team=parts} 1",
        "left-hand widget_synced {colour=blau,team=parts} 1795355526",
        "spare widget_synced {team=parts} 0",
        "left-hand widget_part {colour=blau,part=cog,team=parts} 12",
        "left-hand widget_part {colour=blau,part=axle,team=parts} 2",
        "left-hand widget_axle_ratio {colour=blau,team=parts} 1.5",
        "left-hand widget_last_part {colour=blau,team=parts} 2",
        "left-hand widget_tag {colour=blau,tag=floor,team=parts} 2",
        "left-hand widget_phase {colour=blau,phase=Ready,team=parts} 1",
        "left-hand widget_phase {colour=blau,phase=Failed,team=parts} 0",
        "spare widget_phase {phase=Failed,team=parts} 1",
        "left-hand widget_info {colour=blau,size=storefront,tag_floor=2,tag_owner=storefront,team=parts} 1",
        "left-hand widget_condition {colour=blau,condition=Ready,status=true,team=parts} 1",
        "left-hand widget_condition {colour=blau,condition=Degraded,status=true,team=parts} 0",
        "left-hand widget_condition {colour=blau,condition=Degraded,status=false,team=parts} 1",
        "spare widget_condition {condition=Ready,status=unknown,team=parts} 1",
    ] {
        assert!(found.iter().any(|line| line == want), "{want} is missing:\n{}", found.join("\n"));
    }
    assert_eq!(found.iter().filter(|line| line.contains("widget_tag ")).count(), 1, "an owner is no number");
}

#[test]
fn fields_are_numbers_in_many_ways() {
    for (json, want) in [
        ("3", Some(3.0)),
        ("true", Some(1.0)),
        ("\"yes\"", Some(1.0)),
        ("\"False\"", Some(0.0)),
        ("\"Unknown\"", Some(0.0)),
        ("\"50%\"", Some(0.5)),
        ("\"1500m\"", Some(1.5)),
        ("\"1e3\"", Some(1000.0)),
        ("\"2026-11-22T13:52:06Z\"", Some(1_795_355_526.0)),
        ("\"soon\"", None),
        ("{}", None),
        ("null", None),
    ] {
        assert_eq!(number(&serde_json::from_str(json).unwrap()), want, "{json}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let yaml = "
resources:
  - group_version_kind: {group: example.com}
    metrics:
      - {name: a, each: {type: histogram}}
      - {name: b, each: {type: stateset, state_set: {path: [x]}}}
      - {name: '', each: {type: gauge, gauge: {path: ['[=x]']}}}
";
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::at(&node, "receivers::k8s_customresource".to_owned());
    (TYPE.decode)(&mut decoder);
    let found: Vec<_> = decoder.into_found().iter().map(ToString::to_string).collect();
    for text in [
        "::kind",
        "no type of metric \"histogram\"",
        "must name the states",
        "names no field",
        "metrics::2::name",
    ] {
        assert!(found.iter().any(|line| line.contains(text)), "{text}: {found:#?}");
    }
}
