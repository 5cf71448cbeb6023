//! The objects that are followed: one store a kind, or one for each kind and namespace.

use std::any::Any;
use std::io;
use std::sync::Arc;

use super::K8sClusterConfig;
use super::attributes::Shown;
use super::entities::{Changes, Describe, EntityKind, Listener};
use super::metrics::ClusterMetric as M;
use crate::kube::objects::{
    Autoscaler, ClusterResourceQuota, CronJob, DaemonSet, EntityNeeds, Full, Job, Namespace, Node, Pod,
    PodNeeds, Replicas, ResourceQuota, ServiceState, SliceState, StatefulSet, Volume, VolumeClaim,
};
use crate::kube::{Client, Handler, Informer, Keys, Namespaces, Object, Query, Resource, Store, SyncState};
use crate::otlp::build::Table;

/// The stores of one kind; none when nobody wants the kind.
pub struct Kind<O: Object> {
    informers: Vec<Arc<Informer<O>>>,
}

/// Everything that is followed.
pub struct Watches {
    pub pods: Kind<Pod>,
    pub nodes: Kind<Full<Node>>,
    pub namespaces: Kind<Full<Namespace>>,
    pub services: Kind<Full<ServiceState>>,
    pub slices: Kind<Full<SliceState>>,
    pub deployments: Kind<Full<Replicas>>,
    pub replicasets: Kind<Full<Replicas>>,
    pub controllers: Kind<Full<Replicas>>,
    pub statefulsets: Kind<Full<StatefulSet>>,
    pub daemonsets: Kind<Full<DaemonSet>>,
    pub jobs: Kind<Full<Job>>,
    pub cronjobs: Kind<Full<CronJob>>,
    pub autoscalers: Kind<Full<Autoscaler>>,
    pub quotas: Kind<Full<ResourceQuota>>,
    pub cluster_quotas: Kind<Full<ClusterResourceQuota>>,
    pub volumes: Kind<Full<Volume>>,
    pub claims: Kind<Full<VolumeClaim>>,
    states: Vec<Box<dyn Fn() -> SyncState + Send>>,
    /// Subscriptions to changes; they end when they are dropped.
    _subscribed: Vec<Box<dyn Any + Send>>,
}

/// How far the first lists are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Lists that are under way or fail for now.
    pub waiting: usize,
    /// Why others fail until a person changes something.
    pub refused: Vec<String>,
}

impl<O: Object> Kind<O> {
    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<O>> {
        match self.informers.as_slice() {
            [one] => one.store().all(),
            many => many.iter().flat_map(|informer| informer.store().all()).collect(),
        }
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<O>> {
        self.informers.iter().find_map(|informer| informer.store().get(namespace, name))
    }
}

impl Watches {
    /// Starts to follow what is wanted: the metrics that are on, and with `changes` all entities.
    pub fn start(
        config: &K8sClusterConfig,
        client: &Arc<Client>,
        namespaces: &Namespaces,
        with_metrics: bool,
        changes: Option<&Arc<Changes>>,
    ) -> io::Result<Self> {
        let labels = if changes.is_some() { Keys::everything() } else { Keys::default() };
        let pods = PodNeeds { labels: labels.clone(), containers: true, state: true, ..PodNeeds::default() };
        let needs = EntityNeeds { labels, ..EntityNeeds::default() };
        let enabled = config.metrics.resolve(M::INFOS);
        let on = |metrics: &[M]| with_metrics && metrics.iter().any(|metric| enabled[metric.index()]);
        let entities = changes.is_some();
        let mut starter = Starter {
            client,
            namespaces,
            // As upstream: who names namespaces wants to see nothing else.
            whole_cluster: config.named_namespaces().is_empty(),
            changes,
            states: Vec::new(),
            subscribed: Vec::new(),
        };
        let core = |plural| Resource::new("", "v1", plural);
        let apps = |plural| Resource::new("apps", "v1", plural);
        let batch = |plural| Resource::new("batch", "v1", plural);
        let s = &mut starter;
        let nodes = with_metrics || entities;
        let cluster_uid = with_metrics && Shown::new(config).is_on("k8s.cluster.uid");
        let services = entities || on(&[M::ServiceIngress, M::ServiceEndpoints]);
        let endpoints = on(&[M::ServiceEndpoints]);
        let cluster_quotas = config.is_openshift()
            && on(&[M::ClusterQuotaLimit, M::ClusterQuotaUsed, M::AppliedQuotaLimit, M::AppliedQuotaUsed]);
        let every = entities || with_metrics;
        Ok(Self {
            nodes: s.cluster(nodes, core("nodes"), EntityKind::Node, &needs)?,
            namespaces: s.cluster(
                entities || cluster_uid || on(&[M::NamespacePhase]),
                core("namespaces"),
                EntityKind::Namespace,
                &needs,
            )?,
            pods: s.namespaced(every, core("pods"), EntityKind::Pod, &pods)?,
            services: s.namespaced(services, core("services"), EntityKind::Service, &needs)?,
            slices: s.unheard(
                endpoints,
                Resource::new("discovery.k8s.io", "v1", "endpointslices"),
                &needs,
            )?,
            deployments: s.namespaced(
                entities || on(&[M::DeploymentAvailable, M::DeploymentDesired]),
                apps("deployments"),
                EntityKind::Deployment,
                &needs,
            )?,
            replicasets: s.namespaced(
                entities || on(&[M::ReplicaSetAvailable, M::ReplicaSetDesired]),
                apps("replicasets"),
                EntityKind::ReplicaSet,
                &needs,
            )?,
            controllers: s.namespaced(
                entities || on(&[M::ReplicationControllerAvailable, M::ReplicationControllerDesired]),
                core("replicationcontrollers"),
                EntityKind::ReplicationController,
                &needs,
            )?,
            statefulsets: s.namespaced(
                entities
                    || on(&[
                        M::StatefulSetCurrent,
                        M::StatefulSetDesired,
                        M::StatefulSetAvailable,
                        M::StatefulSetReady,
                        M::StatefulSetUpdated,
                    ]),
                apps("statefulsets"),
                EntityKind::StatefulSet,
                &needs,
            )?,
            daemonsets: s.namespaced(
                entities
                    || on(&[
                        M::DaemonSetCurrent,
                        M::DaemonSetDesired,
                        M::DaemonSetMisscheduled,
                        M::DaemonSetReady,
                    ]),
                apps("daemonsets"),
                EntityKind::DaemonSet,
                &needs,
            )?,
            jobs: s.namespaced(
                entities
                    || on(&[
                        M::JobActive,
                        M::JobDesiredSuccessful,
                        M::JobFailed,
                        M::JobMaxParallel,
                        M::JobSuccessful,
                    ]),
                batch("jobs"),
                EntityKind::Job,
                &needs,
            )?,
            cronjobs: s.namespaced(
                entities || on(&[M::CronJobActive]),
                batch("cronjobs"),
                EntityKind::CronJob,
                &needs,
            )?,
            autoscalers: s.namespaced(
                entities || on(&[M::HpaCurrent, M::HpaDesired, M::HpaMax, M::HpaMin]),
                Resource::new("autoscaling", "v2", "horizontalpodautoscalers"),
                EntityKind::Hpa,
                &needs,
            )?,
            claims: s.namespaced(
                entities || on(&[M::ClaimPhase, M::ClaimCapacity, M::ClaimRequest]),
                core("persistentvolumeclaims"),
                EntityKind::VolumeClaim,
                &needs,
            )?,
            volumes: s.cluster(
                entities || on(&[M::VolumePhase, M::VolumeCapacity]),
                core("persistentvolumes"),
                EntityKind::Volume,
                &needs,
            )?,
            quotas: s.unheard(
                on(&[M::ResourceQuotaHard, M::ResourceQuotaUsed]),
                core("resourcequotas"),
                &needs,
            )?,
            cluster_quotas: s.silent_cluster(
                cluster_quotas,
                Resource::new("quota.openshift.io", "v1", "clusterresourcequotas"),
                &needs,
            )?,
            states: starter.states,
            _subscribed: starter.subscribed,
        })
    }

    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for state in &self.states {
            match state() {
                SyncState::Done => {}
                SyncState::Waiting | SyncState::Failing(_) => progress.waiting += 1,
                SyncState::Refused(why) => progress.refused.push(why),
            }
        }
        progress
    }
}

struct Starter<'a> {
    client: &'a Arc<Client>,
    namespaces: &'a Namespaces,
    whole_cluster: bool,
    changes: Option<&'a Arc<Changes>>,
    states: Vec<Box<dyn Fn() -> SyncState + Send>>,
    subscribed: Vec<Box<dyn Any + Send>>,
}

impl Starter<'_> {
    /// A kind in namespaces.
    fn namespaced<O: Object + Describe>(
        &mut self,
        is_wanted: bool,
        resource: Resource,
        kind: EntityKind,
        needs: &O::Needs,
    ) -> io::Result<Kind<O>> {
        let started = self.unheard(is_wanted, resource, needs)?;
        self.listen(kind, &started);
        Ok(started)
    }

    /// A kind in namespaces that is no entity.
    fn unheard<O: Object>(
        &mut self,
        is_wanted: bool,
        resource: Resource,
        needs: &O::Needs,
    ) -> io::Result<Kind<O>> {
        let queries = if is_wanted { self.namespaces.queries(&Query::all(resource)) } else { Vec::new() };
        self.follow(queries, needs)
    }

    /// A kind that is in no namespace.
    fn cluster<O: Object + Describe>(
        &mut self,
        is_wanted: bool,
        resource: Resource,
        kind: EntityKind,
        needs: &O::Needs,
    ) -> io::Result<Kind<O>> {
        let started = self.silent_cluster(is_wanted, resource, needs)?;
        self.listen(kind, &started);
        Ok(started)
    }

    fn silent_cluster<O: Object>(
        &mut self,
        is_wanted: bool,
        resource: Resource,
        needs: &O::Needs,
    ) -> io::Result<Kind<O>> {
        let queries = if is_wanted && self.whole_cluster { vec![Query::all(resource)] } else { Vec::new() };
        self.follow(queries, needs)
    }

    fn follow<O: Object>(&mut self, queries: Vec<Query>, needs: &O::Needs) -> io::Result<Kind<O>> {
        let kind = Kind { informers: Informer::shared_by_query(self.client, &queries, needs)? };
        for informer in &kind.informers {
            let store = informer.store().clone();
            self.states.push(Box::new(move || store.sync()));
        }
        Ok(kind)
    }

    fn listen<O: Object + Describe>(&mut self, kind: EntityKind, started: &Kind<O>) {
        let Some(changes) = self.changes else { return };
        for informer in &started.informers {
            let handler: Arc<dyn Handler<O>> = Arc::new(Listener::new(kind, changes.clone()));
            informer.store().subscribe(handler.clone());
            self.subscribed.push(Box::new(Subscription { store: informer.store().clone(), handler }));
        }
    }
}

struct Subscription<O: Object> {
    store: Arc<Store<O>>,
    handler: Arc<dyn Handler<O>>,
}

impl<O: Object> Drop for Subscription<O> {
    fn drop(&mut self) {
        self.store.unsubscribe(&self.handler);
    }
}
