//! Everything the processor knows of the cluster, shared by all pipelines with the same config.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::association::Associations;
use super::config::{FieldFilterConfig, K8sAttributesConfig, Operator, Origin};
use super::index::PodIndex;
use super::owners::{Owners, Wanted};
use super::rules::{Cluster, Rules};
use crate::component::BuildError;
use crate::kube::objects::{Entity, Owner, Pod};
use crate::kube::{Access, Client, Handler, Informer, Namespaces, Query, Resource, SyncState};
use crate::pattern::{PatternError, compile};
use crate::pipeline::Stop;
use crate::telemetry::{Counter, Telemetry};

/// The pods, and the objects that pods refer to, as far as the config asks for them.
pub struct Metadata {
    pub(super) rules: Arc<Rules>,
    pub(super) associations: Arc<Associations>,
    pub(super) index: Arc<PodIndex>,
    /// One per namespace when these are limited, else one.
    pods: Vec<Arc<Informer<Pod>>>,
    /// By the kind that a rule reads; several of a kind when namespaces are limited.
    entities: Vec<(Origin, Arc<Informer<Entity>>)>,
    owners: Option<Owners>,
    /// Subscriptions, to be given back.
    subscribed: Vec<Arc<dyn Handler<Pod>>>,
}

/// Metadata in use, by config.
static SHARED: LazyLock<Mutex<HashMap<String, Weak<Metadata>>>> = LazyLock::new(Mutex::default);

impl Metadata {
    /// The metadata for that config; pipelines with equal configs share it.
    pub fn shared(config: &K8sAttributesConfig, telemetry: &Telemetry) -> Result<Arc<Self>, BuildError> {
        let node = node_of(config)?;
        let key = format!("{node:?} {config:?}");
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, metadata| metadata.strong_count() > 0);
        if let Some(known) = shared.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let access = Access::new(&config.api()).map_err(|error| BuildError::new(error.to_string()))?;
        let namespaces = Namespaces::new("k8sattributes", &config.named_namespaces());
        let client = Client::new(access);
        let metadata = Arc::new(Self::start(config, node.as_deref(), &namespaces, &client, telemetry)?);
        shared.insert(key, Arc::downgrade(&metadata));
        Ok(metadata)
    }

    /// Starts to follow what the config asks for, of `node` alone when one is named, in these
    /// `namespaces`.
    pub fn start(
        config: &K8sAttributesConfig,
        node: Option<&str>,
        namespaces: &Namespaces,
        client: &Arc<Client>,
        telemetry: &Telemetry,
    ) -> Result<Self, BuildError> {
        let bad_regex = |error: PatternError| BuildError::new(error.to_string());
        let rules = Arc::new(Rules::new(config).map_err(bad_regex)?);
        let associations = Arc::new(Associations::new(&config.pod_association));
        let exclude = config.exclude.pods.iter().map(|pod| compile(&pod.name));
        let exclude = exclude.collect::<Result<Vec<_>, _>>().map_err(bad_regex)?;
        let index = Arc::new(PodIndex::new(associations.clone(), rules.clone(), exclude, telemetry));
        let no_thread = |error: io::Error| BuildError::new(format!("cannot start a thread: {error}"));

        let needs = rules.pod_needs(associations.uses_container_ids());
        let queries = namespaces.queries(&pod_query(config, node));
        let pods = Informer::shared_by_query(client, &queries, &needs).map_err(no_thread)?;

        let mut entities = Vec::new();
        for from in Origin::ALL.into_iter().filter(|from| rules.reads(*from)) {
            for query in entity_queries(from, node, namespaces) {
                let informer =
                    Informer::shared(client, &query, &rules.entity_needs(from)).map_err(no_thread)?;
                if let Some(counts) = Counts::new(from, telemetry) {
                    informer.store().subscribe(Arc::new(counts));
                }
                entities.push((from, informer));
            }
        }
        let wanted = Wanted { replicasets: rules.reads_replicasets(), jobs: rules.reads_jobs() };
        let owners = match (wanted.replicasets || wanted.jobs, node) {
            (false, _) => None,
            (true, Some(_)) => Some(Owners::ask(client, wanted)),
            (true, None) => Some(Owners::follow(client, wanted, namespaces)),
        };
        let owners = owners.transpose().map_err(no_thread)?;

        let mut subscribed: Vec<Arc<dyn Handler<Pod>>> = vec![index.clone()];
        if let Some(Owners::Asked(asked)) = &owners {
            subscribed.push(asked.clone());
        }
        for informer in &pods {
            subscribed.iter().for_each(|handler| informer.store().subscribe(handler.clone()));
        }
        Ok(Self { rules, associations, index, pods, entities, owners, subscribed })
    }

    /// Waits until everything is known for the first time. An error says what is missing.
    pub fn wait(&self, timeout: Duration, stop: &Stop) -> Result<(), String> {
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let stores = self
            .entities
            .iter()
            .map(|(from, informer)| (format!("{from:?}s"), informer.store().wait_for_sync(left(), stop)));
        let pods = self
            .pods
            .iter()
            .map(|informer| ("pods".to_owned(), informer.store().wait_for_sync(left(), stop)));
        for (what, state) in pods.chain(stores) {
            match state {
                SyncState::Done => {}
                SyncState::Failing(why) | SyncState::Refused(why) => return Err(why),
                SyncState::Waiting => return Err(format!("the list of {what} is not complete yet")),
            }
        }
        if self.owners.as_ref().is_some_and(|owners| !owners.wait(left(), stop)) {
            return Err("the owners of the pods are not known yet".to_owned());
        }
        Ok(())
    }

    /// Forgets deleted pods whose grace is over at `now`.
    pub fn sweep(&self, now: Instant) {
        self.index.sweep(now);
    }

    /// Grows whenever something beside the pods has changed.
    pub fn epoch(&self) -> u64 {
        let entities: u64 = self.entities.iter().map(|(_, informer)| informer.store().epoch()).sum();
        entities + self.owners.as_ref().map_or(0, Owners::epoch)
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        for informer in &self.pods {
            self.subscribed.iter().for_each(|handler| informer.store().unsubscribe(handler));
        }
    }
}

impl Cluster for Metadata {
    fn entity(&self, from: Origin, namespace: &str, name: &str) -> Option<Arc<Entity>> {
        let mut of_kind = self.entities.iter().filter(|(kind, _)| *kind == from);
        of_kind.find_map(|(_, informer)| informer.store().get(namespace, name))
    }

    fn owner_of(&self, owner: &Owner, namespace: &str) -> Option<Owner> {
        self.owners.as_ref()?.owner_of(owner, namespace)
    }

    fn cluster_uid(&self) -> Option<Box<str>> {
        self.entity(Origin::Namespace, "", "kube-system").map(|namespace| namespace.uid.clone())
    }
}

/// The node whose pods are wanted, if it is one.
fn node_of(config: &K8sAttributesConfig) -> Result<Option<String>, BuildError> {
    let filter = &config.filter;
    if !filter.node_from_env_var.is_empty() {
        let name = &filter.node_from_env_var;
        return match std::env::var(name) {
            Ok(node) if !node.is_empty() => Ok(Some(node)),
            _ => Err(BuildError::new(format!(
                "filter::node_from_env_var: the environment variable {name} is not set: take it from \
                 spec.nodeName in the pod's manifest, or the pods of all nodes would be followed"
            ))),
        };
    }
    Ok((!filter.node.is_empty()).then(|| filter.node.clone()))
}

fn pod_query(config: &K8sAttributesConfig, node: Option<&str>) -> Query {
    let node = node.map(|node| format!("spec.nodeName={node}"));
    let fields = config.filter.fields.iter().map(selector);
    let labels: Vec<_> = config.filter.labels.iter().map(selector).collect();
    Query::all(Resource::new("", "v1", "pods"))
        .fields(node.into_iter().chain(fields).collect::<Vec<_>>().join(","))
        .labels(labels.join(","))
}

fn selector(filter: &FieldFilterConfig) -> String {
    let FieldFilterConfig { key, value, op } = filter;
    match op {
        Operator::Equals => format!("{key}={value}"),
        Operator::NotEquals => format!("{key}!={value}"),
        Operator::Exists => key.clone(),
        Operator::DoesNotExist => format!("!{key}"),
    }
}

/// The objects beside the pods that are followed for that kind of rule.
fn entity_queries(from: Origin, node: Option<&str>, namespaces: &Namespaces) -> Vec<Query> {
    let all = |group: &str, plural: &str| Query::all(Resource::new(group, "v1", plural)).metadata_only();
    match from {
        Origin::Pod => Vec::new(),
        Origin::Namespace => vec![all("", "namespaces")],
        Origin::Node => {
            let field = node.map(|node| format!("metadata.name={node}"));
            vec![all("", "nodes").fields(field.unwrap_or_default())]
        }
        Origin::Deployment => namespaces.queries(&all("apps", "deployments")),
        Origin::StatefulSet => namespaces.queries(&all("apps", "statefulsets")),
        Origin::DaemonSet => namespaces.queries(&all("apps", "daemonsets")),
        Origin::Job => namespaces.queries(&all("batch", "jobs")),
    }
}

/// Counts what happens to namespaces and nodes, as dashboards know it.
struct Counts {
    added: Counter,
    updated: Counter,
    deleted: Counter,
}

impl Counts {
    fn new(from: Origin, telemetry: &Telemetry) -> Option<Self> {
        let [added, updated, deleted] = match from {
            Origin::Namespace => [
                "otelsvc_k8s_namespace_added",
                "otelsvc_k8s_namespace_updated",
                "otelsvc_k8s_namespace_deleted",
            ],
            Origin::Node => {
                ["otelsvc_k8s_node_added", "otelsvc_k8s_node_updated", "otelsvc_k8s_node_deleted"]
            }
            _ => return None,
        }
        .map(|name| telemetry.counter(name, &[]));
        Some(Self { added, updated, deleted })
    }
}

impl Handler<Entity> for Counts {
    fn applied(&self, old: Option<&Arc<Entity>>, _: &Arc<Entity>) {
        if old.is_some() { self.updated.add(1) } else { self.added.add(1) }
    }
    fn deleted(&self, _: &Arc<Entity>) {
        self.deleted.add(1);
    }
}
