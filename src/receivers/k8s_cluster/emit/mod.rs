//! From objects to metrics: a resource for each object, handed out in chunks so that a large
//! cluster does not stand in memory twice.

mod nodes;
mod pods;
mod services;
mod storage;
mod workloads;

pub use nodes::snake;

use std::sync::Arc;

use super::K8sClusterConfig;
use super::attributes::{Attributes, Shown};
use super::metrics::ClusterMetric as M;
use super::watches::Watches;
use crate::kube::Namespaces;
use crate::kube::objects::{Body, Full};
use crate::otlp::build::{Recorder, Table, resource_metrics};
use crate::otlp::metrics::{Data, Metric, ResourceMetrics};
use crate::otlp::{InstrumentationScope, KeyValue};

pub const SCOPE: &str =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sclusterreceiver";
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.18.0";
/// Data points of a chunk: some 2 MB in memory.
const CHUNK: usize = 2000;

/// Makes metrics of what is followed.
pub struct Emitter {
    shown: Shown,
    conditions: Vec<nodes::Named>,
    allocatable: Vec<nodes::Named>,
    namespaces: Namespaces,
    recorder: Recorder<M>,
    scope: InstrumentationScope,
    /// When sums began, nanoseconds since the epoch.
    began: u64,
}

/// Takes a chunk; false when there is no sense in sending more.
pub type Send<'a> = dyn FnMut(Vec<ResourceMetrics>) -> bool + 'a;

/// One collection under way.
struct Collection<'a> {
    recorder: &'a mut Recorder<M>,
    shown: &'a Shown,
    scope: &'a InstrumentationScope,
    cluster_uid: Option<Box<str>>,
    now: u64,
    chunk: Vec<ResourceMetrics>,
    points: usize,
    send: &'a mut Send<'a>,
    open: bool,
}

impl Emitter {
    pub fn new(config: &K8sClusterConfig, namespaces: Namespaces, version: &str, began: u64) -> Self {
        Self {
            shown: Shown::new(config),
            conditions: config.node_conditions_to_report.iter().map(|name| nodes::condition(name)).collect(),
            allocatable: config.allocatable_types_to_report.iter().map(|name| nodes::amount(name)).collect(),
            namespaces,
            recorder: Recorder::new(&config.metrics.resolve(M::INFOS)),
            scope: InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
            began,
        }
    }

    /// One collection as of `now`, in nanoseconds since the epoch.
    pub fn collect<'a>(&'a mut self, watches: &Watches, now: u64, send: &'a mut Send<'a>) {
        self.recorder.at(self.began, now);
        let cluster_uid = self
            .shown
            .is_on("k8s.cluster.uid")
            .then(|| watches.namespaces.get("", "kube-system"))
            .flatten()
            .map(|namespace| namespace.uid.clone());
        let mut run = Collection {
            recorder: &mut self.recorder,
            shown: &self.shown,
            scope: &self.scope,
            cluster_uid,
            now,
            chunk: Vec::new(),
            points: 0,
            send,
            open: true,
        };
        let (conditions, allocatable, namespaces) = (&self.conditions, &self.allocatable, &self.namespaces);
        run.each(watches.nodes.all(), |run, node| nodes::node(run, node, conditions, allocatable));
        run.each(watches.namespaces.all(), |run, namespace| {
            if namespaces.contains(&namespace.name) {
                nodes::namespace(run, namespace);
            }
        });
        run.each(watches.pods.all(), pods::pod);
        run.each(watches.deployments.all(), |run, object| {
            workloads::replicas(run, object, &workloads::DEPLOYMENT)
        });
        run.each(watches.replicasets.all(), |run, object| {
            workloads::replicas(run, object, &workloads::REPLICASET)
        });
        run.each(watches.controllers.all(), |run, object| {
            workloads::replicas(run, object, &workloads::CONTROLLER)
        });
        run.each(watches.statefulsets.all(), workloads::statefulset);
        run.each(watches.daemonsets.all(), workloads::daemonset);
        run.each(watches.jobs.all(), workloads::job);
        run.each(watches.cronjobs.all(), workloads::cronjob);
        run.each(watches.autoscalers.all(), workloads::autoscaler);
        run.each(watches.quotas.all(), workloads::quota);
        run.each(watches.cluster_quotas.all(), workloads::cluster_quota);
        services::all(&mut run, watches);
        run.each(watches.volumes.all(), storage::volume);
        run.each(watches.claims.all(), storage::claim);
        run.flush();
    }
}

impl<'a> Collection<'a> {
    fn each<O>(&mut self, objects: Vec<Arc<O>>, mut emit: impl FnMut(&mut Self, &O)) {
        for object in objects {
            if !self.open {
                return;
            }
            emit(self, &object);
        }
    }

    /// The attributes of an object by name, UID and, when it is in one, namespace.
    fn attributes<B: Body>(&self, object: &Full<B>, name: &'static str, uid: &'static str) -> Attributes<'a> {
        let mut attributes = Attributes::new(self.shown);
        attributes.put_known("k8s.namespace.name", &object.namespace);
        attributes.put(name, &*object.name).put(uid, &*object.uid);
        attributes
    }

    fn int(&mut self, metric: M, value: i64) {
        self.recorder.signed(metric, [], value);
    }

    fn known(&mut self, metric: M, value: Option<i64>) {
        if let Some(value) = value {
            self.int(metric, value);
        }
    }

    /// One point for each of `all`: 1 for the `current` one, 0 for the others. A current one that
    /// is not among them gets a point of its own.
    fn one_of(&mut self, metric: M, all: &[&str], current: &str) {
        let key = M::INFOS[metric.index()].attributes[0];
        for name in all {
            let value = i64::from(*name == current);
            self.recorder.signed(metric, [KeyValue::fixed(key, *name)], value);
        }
        if !current.is_empty() && !all.contains(&current) {
            self.recorder.signed(metric, [KeyValue::fixed(key, current)], 1);
        }
    }

    /// Ends a resource with what was recorded for it.
    fn push(&mut self, attributes: Attributes<'_>) {
        self.push_with(attributes, Vec::new());
    }

    fn push_with(&mut self, mut attributes: Attributes<'_>, more: Vec<Metric>) {
        let mut metrics = self.recorder.take();
        metrics.extend(more);
        if metrics.is_empty() {
            return;
        }
        if let Some(uid) = &self.cluster_uid {
            attributes.put("k8s.cluster.uid", &**uid);
        }
        self.points += metrics.iter().filter_map(|metric| metric.data.as_ref()).map(Data::len).sum::<usize>();
        self.chunk.push(resource_metrics(attributes.into_list(), self.scope, SCHEMA, metrics));
        if self.points >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.points = 0;
        let chunk = std::mem::take(&mut self.chunk);
        if !chunk.is_empty() && self.open {
            self.open = (self.send)(chunk);
        }
    }
}
