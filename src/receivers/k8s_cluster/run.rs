//! The receiver's thread: collects at every interval, and tells of changes in between.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::K8sClusterConfig;
use super::emit::Emitter;
use super::entities::{Changes, EntityKind, Lookup, Records};
use super::watches::{Progress, Watches};
use crate::component::{Context, Receiver, RunError};
use crate::kube::{Client, Namespaces, while_leading};
use crate::pipeline::{Ack, Data, Outputs, Stop};
use crate::receivers::scraper::{Clock, next_tick};
use crate::telemetry::ComponentState;
use crate::time::unix_nanos;

/// The receiver, built.
pub struct ClusterReceiver {
    config: K8sClusterConfig,
    client: Arc<Client>,
    namespaces: Namespaces,
    clock: Arc<dyn Clock>,
    context: Context,
}

/// Until the first lists are complete: how often to look.
const SYNC_CHECK: Duration = Duration::from_millis(100);
/// How long the first lists are waited for; afterwards what there is is told.
const SYNC_PATIENCE: Duration = Duration::from_mins(10);
/// How often changes of entities are told.
const CHANGES: Duration = Duration::from_secs(1);

impl ClusterReceiver {
    pub(super) fn new(
        config: K8sClusterConfig,
        client: Arc<Client>,
        namespaces: Namespaces,
        clock: Arc<dyn Clock>,
        context: Context,
    ) -> Self {
        Self { config, client, namespaces, clock, context }
    }

    fn work(&self, outputs: &Outputs, stop: &Stop) -> io::Result<()> {
        let changes = outputs.logs.is_some().then(|| Arc::new(Changes::default()));
        let watches = Watches::start(
            &self.config,
            &self.client,
            &self.namespaces,
            outputs.metrics.is_some(),
            changes.as_ref(),
        )?;
        if !self.wait_for_lists(&watches, stop) {
            return Ok(());
        }
        let now = self.clock.monotonic();
        let version = self.context.host.version();
        let began = unix_nanos(self.clock.wall());
        let mut round = Round {
            emitter: Emitter::new(&self.config, self.namespaces.clone(), version, began),
            receiver: self,
            watches: &watches,
            changes: changes.as_deref(),
            outputs,
            stop,
            all_due: Some(now),
        };
        let mut next = now;
        loop {
            let now = self.clock.monotonic();
            round.entities(now);
            if outputs.metrics.is_some() && now >= next {
                round.metrics();
            }
            if now >= next {
                self.show(&watches.progress());
                next = next_tick(next, self.config.collection_interval, self.clock.monotonic());
            }
            let wake = if changes.is_some() { next.min(now + CHANGES) } else { next };
            if self.clock.wait(wake, stop) {
                return Ok(());
            }
        }
    }

    /// False at a request to stop.
    fn wait_for_lists(&self, watches: &Watches, stop: &Stop) -> bool {
        let began = self.clock.monotonic();
        loop {
            let progress = watches.progress();
            self.show(&progress);
            if progress.waiting == 0 {
                return true;
            }
            let now = self.clock.monotonic();
            if now.duration_since(began) >= SYNC_PATIENCE {
                log::warn!(
                    "{}: {} lists are not complete after ten minutes; going on with what there is",
                    self.context.id,
                    progress.waiting
                );
                return true;
            }
            if self.clock.wait(now + SYNC_CHECK, stop) {
                return false;
            }
        }
    }

    fn show(&self, progress: &Progress) {
        match progress.refused.first() {
            Some(why) => self.context.status.set(ComponentState::Degraded, why.as_str()),
            None => self.context.status.set(ComponentState::Running, ""),
        }
    }
}

impl Receiver for ClusterReceiver {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        while_leading(self.config.k8s_leader_elector.as_ref(), &self.context, &stop, |stop, _| {
            self.work(&outputs, stop)
        })
    }
}

/// What the rounds have in common.
struct Round<'a> {
    emitter: Emitter,
    receiver: &'a ClusterReceiver,
    watches: &'a Watches,
    changes: Option<&'a Changes>,
    outputs: &'a Outputs,
    stop: &'a Stop,
    /// When all entities are to be told; `None`: never again.
    all_due: Option<Instant>,
}

impl Round<'_> {
    fn metrics(&mut self) {
        let now = unix_nanos(self.receiver.clock.wall());
        let (outputs, stop) = (self.outputs, self.stop);
        self.emitter.collect(self.watches, now, &mut |chunk| {
            !stop.is_raised() && outputs.send(Data::Metrics(chunk), Ack::none())
        });
    }

    fn entities(&mut self, now: Instant) {
        let Some(changes) = self.changes else { return };
        let interval = self.receiver.config.metadata_collection_interval;
        let mut all = self.all_due.is_some_and(|due| now >= due);
        if all {
            changes.begin();
            self.all_due = (!interval.is_zero()).then(|| now + interval);
        }
        let (changed, overflown) = changes.take();
        all |= overflown;
        if !all && changed.is_empty() {
            return;
        }
        let (outputs, stop) = (self.outputs, self.stop);
        let mut send = |logs| !stop.is_raised() && outputs.send(Data::Logs(logs), Ack::none());
        let version = self.receiver.context.host.version();
        let wall = unix_nanos(self.receiver.clock.wall());
        let mut records = Records::new(version, interval, wall, &mut send);
        let lookup = Lookup::new(self.watches, &self.receiver.config.node_conditions_to_report);
        for change in &changed {
            records.change(change, &lookup);
        }
        if all {
            let watches = self.watches;
            records.all(EntityKind::Namespace, watches.namespaces.all(), &lookup);
            records.all(EntityKind::Node, watches.nodes.all(), &lookup);
            records.all(EntityKind::Deployment, watches.deployments.all(), &lookup);
            records.all(EntityKind::ReplicaSet, watches.replicasets.all(), &lookup);
            records.all(EntityKind::ReplicationController, watches.controllers.all(), &lookup);
            records.all(EntityKind::StatefulSet, watches.statefulsets.all(), &lookup);
            records.all(EntityKind::DaemonSet, watches.daemonsets.all(), &lookup);
            records.all(EntityKind::CronJob, watches.cronjobs.all(), &lookup);
            records.all(EntityKind::Job, watches.jobs.all(), &lookup);
            records.all(EntityKind::Hpa, watches.autoscalers.all(), &lookup);
            records.all(EntityKind::Service, watches.services.all(), &lookup);
            records.all(EntityKind::Volume, watches.volumes.all(), &lookup);
            records.all(EntityKind::VolumeClaim, watches.claims.all(), &lookup);
            records.all(EntityKind::Pod, watches.pods.all(), &lookup);
        }
        records.flush();
    }
}
