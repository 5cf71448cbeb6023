//! What the checks look at.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::backend::{self, Probe};
use crate::agent::Environment;
use crate::component::ComponentType;
use crate::config::Node;
use crate::kube::{Access, ApiConfig, Client, Connection, KubeError, Timeouts};
use crate::{exporters, extensions, processors, receivers};

/// The configuration, as far as it can be read.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Merged and expanded; none when not even that works.
    pub root: Option<Node>,
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

/// Where the kernel shows itself.
#[derive(Clone, Debug)]
pub struct Host {
    pub proc: PathBuf,
    pub sys: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// Everything the checks look at.
pub struct Facts {
    pub environment: Environment,
    pub configuration: Configuration,
    pub host: Host,
    kube: OnceLock<Result<Arc<Client>, KubeError>>,
    backend: OnceLock<Option<Probe>>,
}

/// A component that a pipeline, or `service.extensions`, uses.
pub struct Used<'a> {
    pub id: &'a str,
    /// The name of its type, whatever alias the configuration has.
    pub kind: &'a str,
    pub settings: &'a Node,
}

/// Limits on each request: a doctor may not take minutes.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(10),
    idle: Duration::from_secs(5),
};

impl Facts {
    pub fn new(environment: Environment, configuration: Configuration) -> Self {
        Self {
            environment,
            configuration,
            host: Host::default(),
            kube: OnceLock::new(),
            backend: OnceLock::new(),
        }
    }

    /// Looks elsewhere than at this machine.
    pub fn elsewhere(mut self, host: Host, kube: Arc<Client>) -> Self {
        self.host = host;
        self.kube = OnceLock::from(Ok(kube));
        self
    }

    /// A connection to the API server, or why there is none.
    pub fn kube(&self) -> Result<Connection, String> {
        let connect = || Access::new(&ApiConfig::default()).map(Client::new);
        match self.kube.get_or_init(connect) {
            Ok(client) => Ok(client.connect(TIMEOUTS)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What the backend said to a request without data; none when there is no backend.
    pub fn backend(&self) -> Option<&Probe> {
        self.backend.get_or_init(|| backend::probe(self)).as_ref()
    }

    pub fn receivers(&self) -> Vec<Used<'_>> {
        self.in_pipelines("receivers", receivers::TYPES)
    }

    pub fn processors(&self) -> Vec<Used<'_>> {
        self.in_pipelines("processors", processors::TYPES)
    }

    pub fn exporters(&self) -> Vec<Used<'_>> {
        self.in_pipelines("exporters", exporters::TYPES)
    }

    pub fn extensions(&self) -> Vec<Used<'_>> {
        let ids = self.root("service").and_then(|service| service.get("extensions"));
        let ids = ids.into_iter().flat_map(Node::items).filter_map(Node::as_str);
        self.used("extensions", ids, extensions::TYPES)
    }

    fn root(&self, section: &str) -> Option<&Node> {
        self.configuration.root.as_ref()?.get(section)
    }

    fn in_pipelines<C: ?Sized, S>(
        &self,
        section: &str,
        types: &[&'static ComponentType<C, S>],
    ) -> Vec<Used<'_>> {
        let pipelines = self.root("service").and_then(|service| service.get("pipelines"));
        let ids = pipelines
            .into_iter()
            .flat_map(Node::entries)
            .filter_map(|(_, pipeline)| pipeline.get(section))
            .flat_map(Node::items)
            .filter_map(Node::as_str);
        self.used(section, ids, types)
    }

    fn used<'a, C: ?Sized, S>(
        &'a self,
        section: &str,
        ids: impl Iterator<Item = &'a str>,
        types: &[&'static ComponentType<C, S>],
    ) -> Vec<Used<'a>> {
        let mut used: Vec<Used<'a>> = Vec::new();
        for id in ids {
            let Some(settings) = self.root(section).and_then(|section| section.get(id)) else { continue };
            if used.iter().all(|known| known.id != id) {
                let name = id.split('/').next().unwrap_or_default();
                let kind = types.iter().find(|kind| kind.is_called(name)).map_or(name, |kind| kind.name);
                used.push(Used { id, kind, settings });
            }
        }
        used
    }
}

impl Used<'_> {
    /// The text at a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.settings.get(key).and_then(Node::as_str).filter(|text| !text.is_empty())
    }

    /// The texts of a list at a key.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let list = self.settings.get(key);
        list.into_iter().flat_map(Node::items).filter_map(Node::as_str).collect()
    }
}

/// The part of a glob before its first wildcard that is a folder.
pub fn folder_of(glob: &str) -> &Path {
    let end = glob.find(['*', '?', '[', '{']).unwrap_or(glob.len());
    Path::new(
        glob[..end].rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder }),
    )
}
