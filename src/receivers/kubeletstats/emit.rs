//! From the kubelet's answer to metrics: one resource for the node and for each pod, container and
//! volume.

use super::KubeletStatsConfig;
use super::cluster::Capacity;
use super::config::{Group, Label};
use super::metrics::{
    CONTAINER, CONTAINER_SHARES, Common, KubeletMetric as M, NODE, POD, POD_SHARES, Shares,
};
use super::pods::{PodSpec, Pods, Resources, VolumeSource};
use super::summary::{
    ContainerStats, Cpu, Filesystem, Interface, Memory, Network, NodeStats, PodStats, Summary, VolumeStats,
    nanos,
};
use crate::otlp::build::{Recorder, Table, resource_metrics};
use crate::otlp::{InstrumentationScope, KeyValue};
use crate::receivers::scraper::{Cause, Run};

const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kubeletstatsreceiver";

/// Finds the source behind a volume of a namespace; `None` leaves the volume out.
pub type Resolve<'a> = dyn FnMut(&str, &VolumeSource, &mut Run<'_>) -> Option<VolumeSource> + 'a;

/// Makes metrics of summaries.
pub struct Emitter {
    groups: Vec<Group>,
    labels: Vec<Label>,
    all_node_interfaces: bool,
    all_pod_interfaces: bool,
    /// Resource attributes that are switched off.
    hidden: Vec<&'static str>,
    recorder: Recorder<M>,
    scope: InstrumentationScope,
    /// When the first collection was made: volumes do not say when they began.
    began: u64,
}

impl Emitter {
    pub fn new(config: &KubeletStatsConfig, version: &str) -> Self {
        Self {
            groups: config.groups(),
            labels: config.labels(),
            all_node_interfaces: config.collect_all_network_interfaces.node,
            all_pod_interfaces: config.collect_all_network_interfaces.pod,
            hidden: config.hidden_attributes(),
            recorder: Recorder::new(&config.metrics.resolve(M::INFOS)),
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
            began: 0,
        }
    }

    /// Whether the specifications of the pods are needed.
    pub fn needs_pods(&self) -> bool {
        let shares = |group, shares: &Shares| {
            self.groups.contains(&group) && self.recorder.any_on(&shares.of_specification())
        };
        !self.labels.is_empty()
            || shares(Group::Pod, &POD_SHARES)
            || shares(Group::Container, &CONTAINER_SHARES)
    }

    /// Whether the size of the node is needed.
    pub fn needs_capacity(&self) -> bool {
        let shares =
            |group, shares: &Shares| self.groups.contains(&group) && self.recorder.any_on(&shares.of_node());
        shares(Group::Pod, &POD_SHARES) || shares(Group::Container, &CONTAINER_SHARES)
    }

    /// Emits a summary as of `now`, in nanoseconds since the epoch.
    pub fn emit(
        &mut self,
        summary: &Summary<'_>,
        pods: Option<&Pods>,
        capacity: Option<Capacity>,
        now: u64,
        resolve: &mut Resolve<'_>,
        run: &mut Run<'_>,
    ) {
        if self.began == 0 {
            self.began = now;
        }
        if self.groups.contains(&Group::Node) {
            self.node(&summary.node, now, run);
        }
        for pod in &summary.pods {
            let spec = pods.and_then(|pods| pods.get(&pod.pod_ref.uid));
            if self.groups.contains(&Group::Pod) {
                self.pod(pod, spec, capacity, now, run);
            }
            if self.groups.contains(&Group::Container) {
                for container in &pod.containers {
                    self.container(pod, container, spec, capacity, now, run);
                }
            }
            if self.groups.contains(&Group::Volume) {
                for volume in &pod.volume {
                    self.volume(pod, volume, spec, now, resolve, run);
                }
            }
        }
    }

    fn node(&mut self, node: &NodeStats<'_>, now: u64, run: &mut Run<'_>) {
        let start = nanos(&node.start_time);
        self.recorder.at(start, now);
        self.common(&NODE, node.cpu, node.memory, node.fs, start, now);
        let all = self.all_node_interfaces;
        self.network(M::NodeNetworkIo, M::NodeNetworkErrors, node.network.as_ref(), all);
        self.push(vec![KeyValue::fixed("k8s.node.name", &*node.node_name)], run);
    }

    fn pod(
        &mut self,
        pod: &PodStats<'_>,
        spec: Option<&PodSpec>,
        capacity: Option<Capacity>,
        now: u64,
        run: &mut Run<'_>,
    ) {
        let start = nanos(&pod.start_time);
        self.recorder.at(start, now);
        self.common(&POD, pod.cpu, pod.memory, pod.ephemeral_storage, start, now);
        let all = self.all_pod_interfaces;
        self.network(M::PodNetworkIo, M::PodNetworkErrors, pod.network.as_ref(), all);
        let resources = spec.map(PodSpec::resources).unwrap_or_default();
        self.shares(&POD_SHARES, pod.cpu, pod.memory, resources, capacity);
        self.push(pod_attributes(pod), run);
    }

    fn container(
        &mut self,
        pod: &PodStats<'_>,
        container: &ContainerStats<'_>,
        spec: Option<&PodSpec>,
        capacity: Option<Capacity>,
        now: u64,
        run: &mut Run<'_>,
    ) {
        let mut attributes = pod_attributes(pod);
        attributes.push(KeyValue::fixed("k8s.container.name", &*container.name));
        if self.labels.contains(&Label::ContainerId) {
            let Some(id) = spec.and_then(|spec| spec.container_id(&container.name)) else {
                run.fault(Cause::new("container id"), 0, || {
                    format!(
                        "container {} of pod {}/{} left out: it has no id yet",
                        &*container.name, &*pod.pod_ref.namespace, &*pod.pod_ref.name
                    )
                });
                return;
            };
            attributes.push(KeyValue::fixed("container.id", id));
        }
        let start = nanos(&container.start_time);
        self.recorder.at(start, now);
        self.common(&CONTAINER, container.cpu, container.memory, container.rootfs, start, now);
        let resources = spec.and_then(|spec| spec.container(&container.name)).map(|spec| spec.resources);
        let resources = resources.unwrap_or_default();
        self.shares(&CONTAINER_SHARES, container.cpu, container.memory, resources, capacity);
        self.push(attributes, run);
    }

    fn volume(
        &mut self,
        pod: &PodStats<'_>,
        volume: &VolumeStats<'_>,
        spec: Option<&PodSpec>,
        now: u64,
        resolve: &mut Resolve<'_>,
        run: &mut Run<'_>,
    ) {
        let mut attributes = pod_attributes(pod);
        attributes.push(KeyValue::fixed("k8s.volume.name", &*volume.name));
        if self.labels.contains(&Label::VolumeType) {
            let Some(source) = spec.and_then(|spec| spec.volume(&volume.name)) else {
                run.fault(Cause::new("volume type"), 0, || {
                    format!(
                        "volume {} of pod {}/{} left out: the pod's specification does not name it",
                        &*volume.name, &*pod.pod_ref.namespace, &*pod.pod_ref.name
                    )
                });
                return;
            };
            let Some(source) = resolve(&pod.pod_ref.namespace, source, run) else { return };
            if !source.kind.is_empty() {
                attributes.push(KeyValue::fixed("k8s.volume.type", source.kind));
            }
            let details = source.details.iter();
            attributes.extend(details.map(|(key, value)| KeyValue::fixed(key, &**value)));
        }
        self.recorder.at(self.began, now);
        self.int(M::VolumeAvailable, volume.available_bytes);
        self.int(M::VolumeCapacity, volume.capacity_bytes);
        self.int(M::VolumeInodes, volume.inodes);
        self.int(M::VolumeInodesFree, volume.inodes_free);
        self.int(M::VolumeInodesUsed, volume.inodes_used);
        self.int(M::PodVolumeUsage, volume.used_bytes);
        self.push(attributes, run);
    }

    fn common(
        &mut self,
        metrics: &Common,
        cpu: Option<Cpu>,
        memory: Option<Memory>,
        fs: Option<Filesystem>,
        start: u64,
        now: u64,
    ) {
        let cpu = cpu.unwrap_or_default();
        self.double(metrics.cpu_usage, cpu.cores());
        self.double(metrics.cpu_time, cpu.usage_core_nano_seconds.map(|nanos| nanos as f64 / 1e9));
        let memory = memory.unwrap_or_default();
        self.int(metrics.memory_available, memory.available_bytes);
        self.int(metrics.memory_usage, memory.usage_bytes);
        self.int(metrics.memory_rss, memory.rss_bytes);
        self.int(metrics.memory_working_set, memory.working_set_bytes);
        self.int(metrics.memory_page_faults, memory.page_faults);
        self.int(metrics.memory_major_page_faults, memory.major_page_faults);
        let fs = fs.unwrap_or_default();
        self.int(metrics.filesystem_available, fs.available_bytes);
        self.int(metrics.filesystem_capacity, fs.capacity_bytes);
        self.int(metrics.filesystem_usage, fs.used_bytes);
        if start != 0 {
            self.int(metrics.uptime, Some(now.saturating_sub(start) / 1_000_000_000));
        }
    }

    fn network(&mut self, io: M, errors: M, network: Option<&Network<'_>>, all: bool) {
        let Some(network) = network else { return };
        if all {
            for interface in &network.interfaces {
                self.interface(io, errors, interface);
            }
        } else if !network.name.is_empty() {
            let interface = Interface {
                name: network.name.clone(),
                rx_bytes: network.rx_bytes,
                rx_errors: network.rx_errors,
                tx_bytes: network.tx_bytes,
                tx_errors: network.tx_errors,
            };
            self.interface(io, errors, &interface);
        }
    }

    fn interface(&mut self, io: M, errors: M, interface: &Interface<'_>) {
        let values = [
            (io, "receive", interface.rx_bytes),
            (io, "transmit", interface.tx_bytes),
            (errors, "receive", interface.rx_errors),
            (errors, "transmit", interface.tx_errors),
        ];
        for (metric, direction, value) in values {
            if let Some(value) = value {
                let attributes =
                    [KeyValue::fixed("interface", &*interface.name), KeyValue::fixed("direction", direction)];
                self.recorder.int(metric, attributes, value);
            }
        }
    }

    fn shares(
        &mut self,
        metrics: &Shares,
        cpu: Option<Cpu>,
        memory: Option<Memory>,
        resources: Resources,
        capacity: Option<Capacity>,
    ) {
        let cpu = cpu.and_then(Cpu::cores);
        let memory = memory.and_then(|memory| memory.usage_bytes).map(|bytes| bytes as f64);
        let mut share = |metric, usage: Option<f64>, whole: Option<f64>| {
            self.double(metric, usage.zip(whole).map(|(usage, whole)| usage / whole));
        };
        share(metrics.cpu_limit, cpu, resources.cpu_limit);
        share(metrics.cpu_request, cpu, resources.cpu_request);
        share(metrics.cpu_node, cpu, capacity.map(|capacity| capacity.cpu));
        share(metrics.memory_limit, memory, resources.memory_limit);
        share(metrics.memory_request, memory, resources.memory_request);
        share(metrics.memory_node, memory, capacity.map(|capacity| capacity.memory));
    }

    fn int(&mut self, metric: M, value: Option<u64>) {
        if let Some(value) = value {
            self.recorder.int(metric, [], value);
        }
    }

    fn double(&mut self, metric: M, value: Option<f64>) {
        if let Some(value) = value {
            self.recorder.double(metric, [], value);
        }
    }

    fn push(&mut self, mut attributes: Vec<KeyValue>, run: &mut Run<'_>) {
        let metrics = self.recorder.take();
        if metrics.is_empty() {
            return;
        }
        if !self.hidden.is_empty() {
            attributes.retain(|attribute| !self.hidden.contains(&&*attribute.key));
        }
        run.push(resource_metrics(attributes, &self.scope, "", metrics));
    }
}

fn pod_attributes(pod: &PodStats<'_>) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(6);
    attributes.push(KeyValue::fixed("k8s.pod.uid", &*pod.pod_ref.uid));
    attributes.push(KeyValue::fixed("k8s.pod.name", &*pod.pod_ref.name));
    attributes.push(KeyValue::fixed("k8s.namespace.name", &*pod.pod_ref.namespace));
    attributes
}
