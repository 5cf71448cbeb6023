//! What only the API server knows: the size of the node, and the volumes behind claims.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::pods::{CLAIM, RawVolume, VolumeSource};
use crate::kube::{Connection, KubeError, Pairs, Query, Resource, Text, nullable, quantity};

/// The API server, asked seldom: answers are kept.
pub struct Cluster {
    connection: Arc<Connection>,
    node: String,
    capacity: Option<(Instant, Capacity)>,
    /// Sources of volumes by namespace and claim.
    claims: HashMap<(Box<str>, Box<str>), VolumeSource>,
}

/// What the node has, in CPUs and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    pub cpu: f64,
    pub memory: f64,
}

/// The size of a node changes seldom.
const CAPACITY_AGE: Duration = Duration::from_mins(5);
/// Claims that are remembered; a node has a few hundred.
const CLAIMS: usize = 4096;
/// One object is not larger than this.
const LARGEST: u64 = 16 << 20;

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNode<'a> {
    #[serde(borrow)]
    status: RawNodeStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNodeStatus<'a> {
    #[serde(borrow)]
    capacity: Pairs<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawClaim<'a> {
    #[serde(borrow)]
    spec: RawClaimSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawClaimSpec<'a> {
    #[serde(borrow)]
    volume_name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPersistentVolume<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    spec: RawVolume<'a>,
}

impl Cluster {
    pub fn new(connection: Arc<Connection>, node: &str) -> Self {
        Self { connection, node: node.to_owned(), capacity: None, claims: HashMap::new() }
    }

    /// What the node has, not older than five minutes unless the API server is away.
    pub fn capacity(&mut self, now: Instant) -> Result<Capacity, KubeError> {
        if let Some((asked, capacity)) = self.capacity
            && now.duration_since(asked) < CAPACITY_AGE
        {
            return Ok(capacity);
        }
        let json = self.get("nodes", None, &self.node)?;
        let node: RawNode = parse(&json, "node")?;
        let amount = |key| node.status.capacity.get(key).and_then(quantity::parse).filter(|a| *a > 0.0);
        let (Some(cpu), Some(memory)) = (amount("cpu"), amount("memory")) else {
            return Err(KubeError::Config(format!(
                "node \"{}\" does not say how much CPU and memory it has",
                self.node
            )));
        };
        let capacity = Capacity { cpu, memory };
        self.capacity = Some((now, capacity));
        Ok(capacity)
    }

    /// The source behind a volume that is a claim; of other volumes the source itself.
    pub fn resolve(&mut self, namespace: &str, source: &VolumeSource) -> Result<VolumeSource, KubeError> {
        let Some((_, claim)) = source.details.iter().find(|(key, _)| *key == CLAIM) else {
            return Ok(source.clone());
        };
        let key = (namespace.into(), claim.clone());
        if let Some(known) = self.claims.get(&key) {
            return Ok(known.clone());
        }
        let json = self.get("persistentvolumeclaims", Some(namespace), claim)?;
        let volume = parse::<RawClaim>(&json, "claim")?.spec.volume_name.to_string();
        let json = self.get("persistentvolumes", None, &volume)?;
        let behind = parse::<RawPersistentVolume>(&json, "volume")?.spec.source();
        let mut resolved = source.clone();
        if !behind.kind.is_empty() {
            resolved.kind = behind.kind;
            resolved.details.extend(behind.details);
        }
        if self.claims.len() >= CLAIMS {
            self.claims.clear();
        }
        self.claims.insert(key, resolved.clone());
        Ok(resolved)
    }

    fn get(&self, plural: &str, namespace: Option<&str>, name: &str) -> Result<Vec<u8>, KubeError> {
        let resource = Resource::new("", "v1", plural);
        let path = resource.object_path(namespace, name);
        let response = self.connection.get(&path, "application/json").map_err(|error| match error {
            KubeError::Forbidden(message) => {
                let query = Query::all(resource).in_namespace(namespace.map(str::to_owned));
                KubeError::forbidden("get", &query, &message)
            }
            error => error,
        })?;
        let mut json = Vec::new();
        response
            .take(LARGEST)
            .read_to_end(&mut json)
            .map_err(|error| KubeError::Transport { target: path, message: error.to_string() })?;
        Ok(json)
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8], what: &str) -> Result<T, KubeError> {
    serde_json::from_slice(json)
        .map_err(|error| KubeError::Malformed { target: format!("the {what}"), message: error.to_string() })
}
