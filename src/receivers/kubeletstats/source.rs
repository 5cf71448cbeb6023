//! One collection: ask the kubelet, look up what else is needed, emit.

use std::io::{self, Read};
use std::sync::Arc;

use super::cluster::{Capacity, Cluster};
use super::emit::Emitter;
use super::locate::{Identify, Locate};
use super::pods::{Pods, VolumeSource};
use super::summary::Summary;
use super::{KubeletStatsConfig, endpoint};
use crate::component::BuildError;
use crate::kube::{
    Access, AuthType, Client, Connection, KubeError, Pieces, Query, Resource, Timeouts, read_list,
};
use crate::receivers::scraper::{Cause, Fault, Run, Scrape, Source};

/// The kubelet as a source of metrics.
pub struct KubeletSource {
    /// `None` until the API server has said where it is.
    kubelet: Option<Arc<Connection>>,
    locate: Option<Locate>,
    api: Option<Arc<Connection>>,
    cluster: Option<Cluster>,
    emitter: Emitter,
    /// The kubelet does not let us see its pods; the API server is asked instead.
    pods_from_api: bool,
    /// Whether the threads that end blocked requests at a stop are there.
    guarded: bool,
    /// The answers of the last collection, whose memory is used again.
    body: Vec<u8>,
}

/// A summary of a node with the most pods a kubelet allows has a few MiB.
const LARGEST_SUMMARY: u64 = 64 << 20;
const LARGEST_POD: usize = 16 << 20;
/// Memory that is kept between two collections.
const KEPT_BODY: usize = 4 << 20;

impl KubeletSource {
    pub(super) fn new(config: &KubeletStatsConfig, version: &str) -> Result<Self, BuildError> {
        let failed = |error: KubeError| BuildError::new(error.to_string());
        let first = Client::new(endpoint::access(config).map_err(failed)?);
        let api = match &config.k8s_api_config {
            Some(api) => Some(Client::new(Access::new(api).map_err(failed)?)),
            None => None,
        };
        if config.auth_type != AuthType::KubeConfig {
            return Ok(Self::with_clients(config, &first, api.as_ref(), version));
        }
        let own = config.clone();
        let identify =
            Box::new(move |address: &str| Ok(endpoint::of_node(&own, endpoint::kubeconfig(&own)?, address)));
        Ok(Self::located(config, &first, identify, api.as_ref(), version))
    }

    /// The source on clients that are there already.
    pub fn with_clients(
        config: &KubeletStatsConfig,
        kubelet: &Arc<Client>,
        api: Option<&Arc<Client>>,
        version: &str,
    ) -> Self {
        let kubelet = Arc::new(kubelet.connect(timeouts(config)));
        Self { kubelet: Some(kubelet), ..Self::without_kubelet(config, api, version) }
    }

    /// The source on the kubelet of a node that `cluster` knows; `identify` makes access to it.
    pub fn located(
        config: &KubeletStatsConfig,
        cluster: &Arc<Client>,
        identify: Identify,
        api: Option<&Arc<Client>>,
        version: &str,
    ) -> Self {
        let locate = Locate::new(cluster, endpoint::node_name(config), timeouts(config), identify);
        Self { locate: Some(locate), ..Self::without_kubelet(config, api, version) }
    }

    fn without_kubelet(config: &KubeletStatsConfig, api: Option<&Arc<Client>>, version: &str) -> Self {
        let api = api.map(|api| Arc::new(api.connect(timeouts(config))));
        Self {
            kubelet: None,
            locate: None,
            cluster: api.clone().map(|api| Cluster::new(api, &config.node)),
            api,
            emitter: Emitter::new(config, version),
            pods_from_api: false,
            guarded: false,
            body: Vec::new(),
        }
    }

    fn collect(&mut self, run: &mut Run<'_>) -> Result<(), Fault> {
        self.guard(run)?;
        let kubelet = self.kubelet(run)?;
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let result = self.collect_into(&kubelet, &mut body, run);
        if result.is_err() && self.locate.is_some() {
            // It may have moved.
            self.kubelet = None;
        }
        if body.capacity() <= KEPT_BODY {
            self.body = body;
        }
        result
    }

    /// The line to the kubelet, which is looked for when nobody knows yet where it is.
    fn kubelet(&mut self, run: &Run<'_>) -> Result<Arc<Connection>, Fault> {
        if let Some(kubelet) = &self.kubelet {
            return Ok(kubelet.clone());
        }
        let locate = self.locate.as_ref().ok_or_else(|| Fault::new("node", "there is no kubelet to ask"))?;
        let kubelet = locate.find().map_err(|error| Fault::new("node", error.to_string()))?;
        close_when(&kubelet, run)?;
        self.kubelet = Some(kubelet.clone());
        Ok(kubelet)
    }

    fn collect_into(
        &mut self,
        kubelet: &Connection,
        body: &mut Vec<u8>,
        run: &mut Run<'_>,
    ) -> Result<(), Fault> {
        read_summary(kubelet, body).map_err(|error| Fault::new("summary", explain(&error, "nodes/stats")))?;
        let now = run.now();
        let summary: Summary = serde_json::from_slice(body).map_err(|error| {
            Fault::new("summary", format!("/stats/summary is not what a kubelet says: {error}"))
        })?;
        let pods = if self.emitter.needs_pods() {
            Some(self.read_pods(kubelet, &summary.node.node_name, run)?)
        } else {
            None
        };
        let capacity = self.capacity(run);
        let Self { emitter, cluster, .. } = self;
        let mut resolve = |namespace: &str, source: &VolumeSource, run: &mut Run<'_>| match cluster {
            None => Some(source.clone()),
            Some(cluster) => cluster
                .resolve(namespace, source)
                .map_err(|error| run.fault(Cause::new("claim"), 0, || format!("volume left out: {error}")))
                .ok(),
        };
        emitter.emit(&summary, pods.as_ref(), capacity, now, &mut resolve, run);
        Ok(())
    }

    /// The pods of the node: from the kubelet, or from the API server when the kubelet does not
    /// let us see them without the far too powerful `nodes/proxy`.
    fn read_pods(&mut self, kubelet: &Connection, node: &str, run: &mut Run<'_>) -> Result<Pods, Fault> {
        if !self.pods_from_api {
            match pods_at(kubelet, "/pods", run) {
                Err(KubeError::Forbidden(message)) if self.api.is_some() => {
                    log::info!("kubeletstats: asking the API server for the pods of {node}: {message}");
                    self.pods_from_api = true;
                }
                result => return result.map_err(|error| Fault::new("pods", explain(&error, "nodes/pods"))),
            }
        }
        let api = self.api.as_ref().ok_or_else(|| Fault::new("pods", "there is no k8s_api_config"))?;
        let query = Query::all(Resource::new("", "v1", "pods")).fields(format!("spec.nodeName={node}"));
        pods_at(api, &query.url(&[("resourceVersion", "0")]), run).map_err(|error| match error {
            KubeError::Forbidden(message) => {
                let error = KubeError::forbidden("list", &query, &message);
                Fault::new("pods", format!("{error}, or nodes/pods for the kubelet"))
            }
            error => Fault::new("pods", error.to_string()),
        })
    }

    fn capacity(&mut self, run: &mut Run<'_>) -> Option<Capacity> {
        if !self.emitter.needs_capacity() {
            return None;
        }
        let capacity = self.cluster.as_mut()?.capacity(run.clock.monotonic());
        capacity.map_err(|error| run.fault(Cause::new("node"), 0, || error.to_string())).ok()
    }

    /// Sees to it that a stop ends a request that blocks.
    fn guard(&mut self, run: &Run<'_>) -> Result<(), Fault> {
        if self.guarded {
            return Ok(());
        }
        for connection in [self.kubelet.as_ref(), self.api.as_ref()].into_iter().flatten() {
            close_when(connection, run)?;
        }
        if let Some(locate) = &self.locate {
            locate.close_when(run.stop.clone()).map_err(no_thread)?;
        }
        self.guarded = true;
        Ok(())
    }
}

impl Source for KubeletSource {
    fn scrape(&mut self, scrape: &mut Scrape<'_>) {
        scrape.run("kubeletstats", |run| self.collect(run));
    }
}

fn read_summary(kubelet: &Connection, body: &mut Vec<u8>) -> Result<(), KubeError> {
    let path = "/stats/summary";
    let response = kubelet.get(path, "application/json")?;
    let broken = |message: String| KubeError::Transport { target: kubelet.target(path), message };
    response
        .take(LARGEST_SUMMARY + 1)
        .read_to_end(body)
        .map_err(|error| broken(format!("the answer was cut off: {error}")))?;
    if body.len() as u64 > LARGEST_SUMMARY {
        return Err(broken(format!("the answer has more than {LARGEST_SUMMARY} bytes")));
    }
    Ok(())
}

fn timeouts(config: &KubeletStatsConfig) -> Timeouts {
    let mut timeouts = Timeouts::default();
    if !config.timeout.is_zero() {
        timeouts.connect = timeouts.connect.min(config.timeout);
        timeouts.response = config.timeout;
        timeouts.idle = config.timeout;
    }
    timeouts
}

fn close_when(connection: &Arc<Connection>, run: &Run<'_>) -> Result<(), Fault> {
    connection.close_when(run.stop.clone()).map_err(no_thread)
}

fn no_thread(error: io::Error) -> Fault {
    Fault::new("thread", format!("cannot start a thread: {error}"))
}

/// Reads a list of pods, one at a time. A pod that cannot be read is left out.
fn pods_at(connection: &Connection, path: &str, run: &mut Run<'_>) -> Result<Pods, KubeError> {
    let response = connection.get(path, "application/json")?;
    let mut pods = Pods::default();
    let mut pieces = Pieces::new(response, LARGEST_POD);
    let broken = |error: io::Error| KubeError::Transport {
        target: connection.target(path),
        message: format!("the answer was cut off: {error}"),
    };
    read_list(&mut pieces, |pod| {
        if let Err(error) = pods.add(pod) {
            run.fault(Cause::new("pod"), 0, || format!("a pod in {path} cannot be read: {error}"));
        }
    })
    .map_err(broken)?;
    Ok(pods)
}

/// Adds the remedy to what the kubelet or TLS says.
fn explain(error: &KubeError, subresource: &str) -> String {
    match error {
        KubeError::Forbidden(_) | KubeError::Unauthorized { .. } => format!(
            "{error}; the agent's service account needs {{apiGroups: [\"\"], resources: [\"{subresource}\"], \
             verbs: [\"get\"]}} in its ClusterRole"
        ),
        KubeError::Transport { message, .. } if message.contains("certificate") => format!(
            "{error}; set ca_file to the authority that signs the kubelets' certificates, or \
             insecure_skip_verify: true"
        ),
        _ => error.to_string(),
    }
}
