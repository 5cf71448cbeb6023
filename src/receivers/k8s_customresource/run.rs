//! The receiver's thread: finds the resources, follows them, and emits their points.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::CustomResourceConfig;
use super::config::{GroupVersionKind, ResourceConfig};
use super::rules::{Point, Points, Rules};
use crate::component::{Context, Receiver, RunError};
use crate::kube::list_watch::Settings;
use crate::kube::{
    Backoff, Client, Discovery, Informer, KubeError, Namespaces, Query, RealPace, Timeouts, Wanted,
    while_leading,
};
use crate::otlp::build::resource_metrics;
use crate::otlp::metrics::{Data as Shape, Gauge, Metric, Number, NumberDataPoint, ResourceMetrics};
use crate::otlp::{InstrumentationScope, KeyValue};
use crate::pipeline::{Ack, Data, Outputs, Stop};
use crate::receivers::scraper::{Clock, next_tick};
use crate::telemetry::{Causes, ComponentState};
use crate::time::unix_nanos;

const SCOPE: &str = "github.com/kloudmate/kmagent/receiver/k8s_customresource";
/// Points of a batch.
const CHUNK: usize = 2000;

/// The receiver, built.
pub struct CustomResourceReceiver {
    config: CustomResourceConfig,
    client: Arc<Client>,
    namespaces: Namespaces,
    clock: Arc<dyn Clock>,
    context: Context,
}

/// A resource that is followed.
struct Followed<'a> {
    config: &'a ResourceConfig,
    version: String,
    rules: Arc<Rules>,
    informers: Vec<Informer<Points>>,
}

impl CustomResourceReceiver {
    pub(super) fn new(
        config: CustomResourceConfig,
        client: Arc<Client>,
        namespaces: Namespaces,
        clock: Arc<dyn Clock>,
        context: Context,
    ) -> Self {
        Self { config, client, namespaces, clock, context }
    }

    fn work(&self, outputs: &Outputs, stop: &Stop) -> io::Result<()> {
        let mut search = Search::new(self, stop)?;
        let mut followed = Vec::new();
        let mut next = self.clock.monotonic() + self.config.collection_interval.min(FIRST);
        let said = Causes::new();
        loop {
            search.go_on(&mut followed)?;
            let wake = search.due.map_or(next, |due| due.min(next));
            if self.clock.wait(wake, stop) {
                return Ok(());
            }
            if self.clock.monotonic() >= next {
                self.emit(&followed, &said, outputs, stop);
                next = next_tick(next, self.config.collection_interval, self.clock.monotonic());
            }
        }
    }

    fn emit(&self, followed: &[Followed<'_>], said: &Causes<String>, outputs: &Outputs, stop: &Stop) {
        let now = unix_nanos(self.clock.wall());
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: self.context.host.version().to_owned(),
            ..InstrumentationScope::default()
        };
        let (mut chunk, mut points): (Vec<ResourceMetrics>, usize) = (Vec::new(), 0);
        for one in followed {
            for object in one.informers.iter().flat_map(|informer| informer.store().all()) {
                for fault in &object.faults {
                    let metric = &one.rules.metrics[*fault].name;
                    if said.is_new(metric.clone()) {
                        log::warn!(
                            "{}: {metric}: a field of {}/{} is no number; this is logged once",
                            self.context.id,
                            object.namespace,
                            object.name
                        );
                    }
                }
                if object.points.is_empty() {
                    continue;
                }
                points += object.points.len();
                chunk.push(resource_metrics(one.resource(&object), &scope, "", one.metrics(&object, now)));
                if points >= CHUNK {
                    points = 0;
                    let full = std::mem::take(&mut chunk);
                    if stop.is_raised() || !outputs.send(Data::Metrics(full), Ack::none()) {
                        return;
                    }
                }
            }
        }
        if !chunk.is_empty() && !stop.is_raised() {
            outputs.send(Data::Metrics(chunk), Ack::none());
        }
    }
}

/// The first collection does not wait for a whole interval.
const FIRST: std::time::Duration = std::time::Duration::from_secs(2);

impl Followed<'_> {
    fn resource(&self, object: &Points) -> Vec<KeyValue> {
        let GroupVersionKind { group, kind, .. } = &self.config.group_version_kind;
        let mut resource = Vec::with_capacity(6);
        if !object.namespace.is_empty() {
            resource.push(KeyValue::fixed("k8s.namespace.name", &*object.namespace));
        }
        resource.push(KeyValue::fixed("k8s.customresource.group", group.as_str()));
        resource.push(KeyValue::fixed("k8s.customresource.version", self.version.as_str()));
        resource.push(KeyValue::fixed("k8s.customresource.kind", kind.as_str()));
        resource.push(KeyValue::fixed("k8s.customresource.name", &*object.name));
        resource.push(KeyValue::fixed("k8s.customresource.uid", &*object.uid));
        resource
    }

    fn metrics(&self, object: &Points, now: u64) -> Vec<Metric> {
        // The points of a metric stand together.
        object
            .points
            .chunk_by(|a, b| a.metric == b.metric)
            .filter_map(|points| {
                let metric = self.rules.metrics.get(points.first()?.metric)?;
                let data_points = points.iter().map(|point| number(point, now)).collect();
                Some(Metric {
                    name: metric.name.clone(),
                    description: metric.help.clone(),
                    unit: metric.unit.clone(),
                    data: Some(Shape::Gauge(Gauge { data_points })),
                    metadata: Vec::new(),
                })
            })
            .collect()
    }
}

fn number(point: &Point, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano: now,
        value: Some(Number::Double(point.value)),
        attributes: point.labels.iter().map(|(key, value)| KeyValue::new(&**key, &**value)).collect(),
        ..NumberDataPoint::default()
    }
}

impl Receiver for CustomResourceReceiver {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        while_leading(self.config.k8s_leader_elector.as_ref(), &self.context, &stop, |stop, _| {
            self.work(&outputs, stop)
        })
    }
}

/// Looks for resources until all are found.
struct Search<'a> {
    receiver: &'a CustomResourceReceiver,
    line: Arc<crate::kube::Connection>,
    open: Vec<&'a ResourceConfig>,
    told: Vec<String>,
    backoff: Backoff,
    last_cause: Option<String>,
    /// When to look again.
    due: Option<Instant>,
}

impl<'a> Search<'a> {
    fn new(receiver: &'a CustomResourceReceiver, stop: &Stop) -> io::Result<Self> {
        let line = Arc::new(receiver.client.connect(Timeouts::default()));
        line.close_when(stop.clone())?;
        Ok(Self {
            receiver,
            line,
            open: receiver.config.resources.iter().collect(),
            told: Vec::new(),
            backoff: Backoff::default(),
            last_cause: None,
            due: Some(receiver.clock.monotonic()),
        })
    }

    /// Looks again when that is due, and starts to follow what is found.
    fn go_on(&mut self, followed: &mut Vec<Followed<'a>>) -> io::Result<()> {
        let now = self.receiver.clock.monotonic();
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        let wait = match Discovery::ask(&self.line) {
            Ok(discovery) => {
                self.last_cause = None;
                for config in std::mem::take(&mut self.open) {
                    self.find(config, &discovery, followed)?;
                }
                Backoff::longest(&RealPace)
            }
            Err(error) => {
                self.complain(&error);
                self.backoff.next(&RealPace)
            }
        };
        self.due = (!self.open.is_empty()).then(|| now + wait);
        Ok(())
    }

    fn find(
        &mut self,
        config: &'a ResourceConfig,
        discovery: &Discovery,
        followed: &mut Vec<Followed<'a>>,
    ) -> io::Result<()> {
        let GroupVersionKind { group, version, kind } = &config.group_version_kind;
        let wanted = Wanted { name: kind, group, version };
        let Some(found) = discovery.find(wanted) else {
            self.open.push(config);
            if !self.told.contains(kind) {
                self.told.push(kind.clone());
                let why = discovery.explain(wanted);
                log::error!("{}: {why}; it is looked for again until it is there", self.receiver.context.id);
                self.receiver.context.status.set(ComponentState::Degraded, why);
            }
            return Ok(());
        };
        let rules = Arc::new(Rules::new(config));
        let query = Query::all(found.resource.clone());
        let queries = if found.namespaced { self.receiver.namespaces.queries(&query) } else { vec![query] };
        let informers = queries.into_iter().map(|query| {
            let (settings, timeouts) = (Settings::default(), Timeouts::default());
            Informer::start(&self.receiver.client, query, &rules, settings, timeouts, Arc::new(RealPace))
        });
        followed.push(Followed {
            config,
            version: found.resource.version.clone(),
            informers: informers.collect::<io::Result<_>>()?,
            rules,
        });
        Ok(())
    }

    fn complain(&mut self, error: &KubeError) {
        let cause = error.cause();
        if !matches!(error, KubeError::Interrupted) && self.last_cause.as_ref() != Some(&cause) {
            log::warn!("{}: {error}; trying again until it works", self.receiver.context.id);
            self.receiver.context.status.set(ComponentState::Degraded, error.to_string());
            self.last_cause = Some(cause);
        }
    }
}
