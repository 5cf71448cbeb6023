//! The objects that a role is made of, followed.

use std::sync::Arc;

use super::needs::needs;
use crate::kube::objects::{ClusterNode, EndpointSlice, Endpoints, Entity, Ingress, Pod, PodNeeds, Service};
use crate::kube::{
    Access, ApiConfig, Client, Credentials, Informer, KubeError, Object, Query, Resource, SyncState,
};
use crate::receivers::prometheus::config::scrape::KubernetesSdConfig;
use crate::receivers::prometheus::relabel::Rule;

/// One informer a namespace that is looked into.
pub type Followed<O> = Vec<Arc<Informer<O>>>;

#[derive(Default)]
pub struct Stores {
    pub pods: Followed<Pod>,
    pub nodes: Followed<ClusterNode>,
    pub services: Followed<Service>,
    pub endpoints: Followed<Endpoints>,
    pub slices: Followed<EndpointSlice>,
    pub ingresses: Followed<Ingress>,
    /// For the labels of namespaces.
    pub namespaces: Followed<Entity>,
}

const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

impl Stores {
    /// Begins to follow what the role needs.
    pub fn follow(config: &KubernetesSdConfig, rules: &[Rule]) -> Result<Self, KubeError> {
        let follower =
            Follower { client: Client::new(access(config)?), config, namespaces: namespaces(config)? };
        let role = config.role.as_str();
        let mut stores = Self::default();
        let core = |plural| Resource::new("", "v1", plural);
        if role == "node"
            || (config.attach_metadata.node && matches!(role, "pod" | "endpoints" | "endpointslice"))
        {
            stores.nodes = vec![follower.everywhere("node", core("nodes"), &needs(rules, "node"))?];
        }
        if matches!(role, "pod" | "endpoints" | "endpointslice") {
            let metadata = needs(rules, "pod");
            let pods = PodNeeds {
                labels: metadata.labels,
                annotations: metadata.annotations,
                containers: false,
                network: true,
                state: false,
            };
            stores.pods = follower.follow("pod", core("pods"), &pods)?;
        }
        if matches!(role, "service" | "endpoints" | "endpointslice") {
            stores.services = follower.follow("service", core("services"), &needs(rules, "service"))?;
        }
        match role {
            "endpoints" => {
                let wanted = needs(rules, "endpoints");
                stores.endpoints = follower.follow("endpoints", core("endpoints"), &wanted)?;
            }
            "endpointslice" => {
                let slices = Resource::new("discovery.k8s.io", "v1", "endpointslices");
                stores.slices = follower.follow("endpointslice", slices, &needs(rules, "endpointslice"))?;
            }
            "ingress" => {
                let ingresses = Resource::new("networking.k8s.io", "v1", "ingresses");
                stores.ingresses = follower.follow("ingress", ingresses, &needs(rules, "ingress"))?;
            }
            _ => {}
        }
        if config.attach_metadata.namespace && role != "node" {
            let wanted = needs(rules, "namespace");
            stores.namespaces = vec![follower.everywhere("namespace", core("namespaces"), &wanted)?];
        }
        Ok(stores)
    }

    /// Whether everything that can be listed has been.
    pub fn is_synced(&self) -> bool {
        fn synced<O: Object>(followed: &Followed<O>) -> bool {
            // What is refused is missing, and the rest still counts: the informer says so in the log.
            followed
                .iter()
                .all(|informer| matches!(informer.store().sync(), SyncState::Done | SyncState::Refused(_)))
        }
        synced(&self.pods)
            && synced(&self.nodes)
            && synced(&self.services)
            && synced(&self.endpoints)
            && synced(&self.slices)
            && synced(&self.ingresses)
            && synced(&self.namespaces)
    }

    /// Changes whenever an object does.
    pub fn epoch(&self) -> u64 {
        fn epoch<O: Object>(followed: &Followed<O>) -> u64 {
            followed.iter().map(|informer| informer.store().epoch()).sum()
        }
        epoch(&self.pods)
            + epoch(&self.nodes)
            + epoch(&self.services)
            + epoch(&self.endpoints)
            + epoch(&self.slices)
            + epoch(&self.ingresses)
            + epoch(&self.namespaces)
    }
}

/// All objects of a kind.
pub fn all<O: Object>(followed: &Followed<O>) -> Vec<Arc<O>> {
    followed.iter().flat_map(|informer| informer.store().all()).collect()
}

/// The object of that name.
pub fn get<O: Object>(followed: &Followed<O>, namespace: &str, name: &str) -> Option<Arc<O>> {
    followed.iter().find_map(|informer| informer.store().get(namespace, name))
}

struct Follower<'a> {
    client: Arc<Client>,
    config: &'a KubernetesSdConfig,
    namespaces: Vec<Option<String>>,
}

impl Follower<'_> {
    fn follow<O: Object>(
        &self,
        role: &str,
        resource: Resource,
        needs: &O::Needs,
    ) -> Result<Followed<O>, KubeError> {
        self.namespaces.iter().map(|namespace| self.one(role, &resource, namespace.clone(), needs)).collect()
    }

    /// For objects that are in no namespace.
    fn everywhere<O: Object>(
        &self,
        role: &str,
        resource: Resource,
        needs: &O::Needs,
    ) -> Result<Arc<Informer<O>>, KubeError> {
        self.one(role, &resource, None, needs)
    }

    fn one<O: Object>(
        &self,
        role: &str,
        resource: &Resource,
        namespace: Option<String>,
        needs: &O::Needs,
    ) -> Result<Arc<Informer<O>>, KubeError> {
        let mut query = Query::all(resource.clone()).in_namespace(namespace);
        if let Some(selector) = self.config.selectors.iter().find(|selector| selector.role == role) {
            query = query.labels(selector.label.clone()).fields(selector.field.clone());
        }
        Informer::shared(&self.client, &query, needs)
            .map_err(|error| KubeError::Config(format!("cannot start a thread: {error}")))
    }
}

fn access(config: &KubernetesSdConfig) -> Result<Access, KubeError> {
    if !config.kubeconfig_file.is_empty() {
        return Access::from_kubeconfig(&config.kubeconfig_file);
    }
    if config.api_server.is_empty() {
        return Access::new(&ApiConfig::default());
    }
    let http = config.http();
    let (token, file) = match &http.authorization {
        Some(auth) => (auth.credentials.clone(), auth.credentials_file.clone()),
        None => (http.bearer_token.clone(), http.bearer_token_file.clone()),
    };
    let credentials = match (token, file) {
        (Some(token), _) => Credentials::Token(token),
        (None, Some(file)) => Credentials::token_file(file),
        (None, None) => Credentials::None,
    };
    let server = config.api_server.trim_end_matches('/').to_owned();
    Ok(Access { server, tls: http.tls(), credentials })
}

/// `None` stands for all of them.
fn namespaces(config: &KubernetesSdConfig) -> Result<Vec<Option<String>>, KubeError> {
    let mut names: Vec<_> = config.namespaces.names.iter().cloned().map(Some).collect();
    if config.namespaces.own_namespace {
        let own = std::fs::read_to_string(OWN_NAMESPACE).map_err(|error| {
            KubeError::Config(format!("own_namespace: cannot read {OWN_NAMESPACE}: {error}"))
        })?;
        names.push(Some(own.trim().to_owned()));
    }
    if names.is_empty() {
        names.push(None);
    }
    Ok(names)
}
