//! Nodes and namespaces.

use super::{Collection, M};
use crate::kube::objects::{Full, Namespace, Node};
use crate::otlp::KeyValue;
use crate::otlp::metrics::{Data, Gauge, Metric, Number, NumberDataPoint};

/// A metric whose name the user chose by the name of a condition or resource.
pub struct Named {
    of: String,
    name: String,
    description: String,
    unit: String,
}

pub fn condition(of: &str) -> Named {
    Named {
        of: of.to_owned(),
        name: format!("k8s.node.condition_{}", snake(of)),
        description: format!("{of} condition status of the node (true=1, false=0, unknown=-1)"),
        unit: String::new(),
    }
}

pub fn amount(of: &str) -> Named {
    let unit = match of {
        "cpu" => "{cpu}".to_owned(),
        "memory" | "ephemeral-storage" | "storage" => "By".to_owned(),
        "pods" => "{pod}".to_owned(),
        other => format!("{{{other}}}"),
    };
    Named {
        of: of.to_owned(),
        name: format!("k8s.node.allocatable_{}", snake(of)),
        description: format!("Amount of {of} allocatable on the node"),
        unit,
    }
}

impl Named {
    fn metric(&self, now: u64, value: Number) -> Metric {
        let point = NumberDataPoint { time_unix_nano: now, value: Some(value), ..NumberDataPoint::default() };
        Metric {
            name: self.name.clone(),
            description: self.description.clone(),
            unit: self.unit.clone(),
            data: Some(Data::Gauge(Gauge { data_points: vec![point] })),
            metadata: Vec::new(),
        }
    }
}

pub fn node(run: &mut Collection<'_>, node: &Full<Node>, conditions: &[Named], allocatable: &[Named]) {
    let body = &node.body;
    for (kind, status) in &body.conditions {
        run.recorder.signed(
            M::NodeCondition,
            [KeyValue::fixed("condition", &**kind)],
            condition_value(status),
        );
    }
    let mut more = Vec::with_capacity(conditions.len() + allocatable.len());
    for named in conditions {
        let status = body.conditions.iter().find(|(kind, _)| **kind == *named.of);
        let value = status.map_or(-1, |(_, status)| condition_value(status));
        more.push(named.metric(run.now, Number::Int(value)));
    }
    for named in allocatable {
        let Some((_, value)) = body.allocatable.iter().find(|(resource, _)| **resource == *named.of) else {
            continue;
        };
        let value = if named.of == "cpu" { Number::Double(*value) } else { Number::Int(*value as i64) };
        more.push(named.metric(run.now, value));
    }
    let (runtime, version) = match body.container_runtime.split_once("://") {
        Some((runtime, version)) => (runtime, version),
        None => (&*body.container_runtime, ""),
    };
    let mut attributes = run.attributes(node, "k8s.node.name", "k8s.node.uid");
    attributes
        .put_known("k8s.kubelet.version", &body.kubelet_version)
        .put_known("container.runtime", runtime)
        .put_known("container.runtime.version", version)
        .put_known("os.description", &body.os_description)
        .put_known("os.type", &body.os_type);
    run.push_with(attributes, more);
}

fn condition_value(status: &str) -> i64 {
    match status {
        "True" => 1,
        "False" => 0,
        _ => -1,
    }
}

pub fn namespace(run: &mut Collection<'_>, namespace: &Full<Namespace>) {
    let phase = match &*namespace.body.phase {
        "Active" => 1,
        "Terminating" => 0,
        _ => -1,
    };
    run.int(M::NamespacePhase, phase);
    let attributes = run.attributes(namespace, "k8s.namespace.name", "k8s.namespace.uid");
    run.push(attributes);
}

/// `DiskPressure` → `disk_pressure`, `PIDPressure` → `pid_pressure`, `hugepages-2Mi` →
/// `hugepages_2_mi`.
pub fn snake(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let next = chars.get(at + 1);
        let is_word_start = before.is_some_and(|before| {
            let class = |c: char| (c.is_ascii_uppercase(), c.is_ascii_lowercase(), c.is_ascii_digit());
            let both_upper = before.is_ascii_uppercase() && c.is_ascii_uppercase();
            let capital = before.is_ascii_uppercase() && c.is_ascii_lowercase();
            (before.is_ascii_alphanumeric()
                && c.is_ascii_alphanumeric()
                && class(before) != class(c)
                && !capital)
                || (both_upper && next.is_some_and(char::is_ascii_lowercase))
        });
        if !c.is_ascii_alphanumeric() {
            out.push('_');
            continue;
        }
        if is_word_start {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
