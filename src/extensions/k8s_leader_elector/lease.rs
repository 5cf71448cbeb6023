//! The Lease: who holds it, and since when it is known to be unchanged.

use std::io::Read;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::Config;
use crate::kube::{Connection, KubeError, Resource};

/// A try to get or keep the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// We hold it.
    Held,
    /// Somebody else does.
    Taken,
}

/// The lease as this replica sees it.
pub struct Lease {
    resource: Resource,
    namespace: String,
    name: String,
    identity: String,
    duration: Duration,
    /// The lease as it was read or written last, and when it was first seen like this. Only our
    /// own clock counts: those of others may differ.
    seen: Option<(Value, Instant)>,
    /// When the lease was renewed last before it became ours.
    since: Option<SystemTime>,
}

const LARGEST: u64 = 1 << 20;

impl Lease {
    pub fn new(config: &Config, identity: String) -> Self {
        Self {
            resource: Resource::new("coordination.k8s.io", "v1", "leases"),
            namespace: config.lease_namespace.clone(),
            name: config.lease_name.clone(),
            identity,
            duration: config.lease_duration,
            seen: None,
            since: None,
        }
    }

    /// Who holds it, as far as is known.
    pub fn holder(&self) -> &str {
        self.seen.as_ref().and_then(|(lease, _)| lease["spec"]["holderIdentity"].as_str()).unwrap_or_default()
    }

    /// Until when it was surely held before, as its holder wrote.
    pub fn since(&self) -> Option<SystemTime> {
        self.since
    }

    /// Tries to become or remain the holder.
    pub fn try_hold(&mut self, connection: &Connection) -> Result<Tried, KubeError> {
        // As long as it is ours what was written last is good enough to renew it.
        if self.holder() == self.identity {
            match self.write(connection) {
                Err(KubeError::Conflict { .. } | KubeError::NotFound { .. }) => {}
                result => return result.map(|()| Tried::Held),
            }
        }
        match self.read(connection) {
            Err(KubeError::NotFound { .. }) => {
                self.seen = None;
                self.create(connection)
            }
            Err(error) => Err(error),
            Ok(()) if !self.is_free() => Ok(Tried::Taken),
            Ok(()) => match self.take(connection) {
                Ok(()) => Ok(Tried::Held),
                Err(KubeError::Conflict { .. }) => Ok(Tried::Taken),
                Err(error) => Err(error),
            },
        }
    }

    /// Gives the lease back, so that another replica need not wait.
    pub fn release(&mut self, connection: &Connection) -> Result<(), KubeError> {
        let Some((lease, _)) = &self.seen else { return Ok(()) };
        let mut lease = lease.clone();
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        lease["spec"]["renewTime"] = json!(micro_time());
        self.put(connection, &lease)
    }

    fn is_free(&self) -> bool {
        let Some((lease, since)) = &self.seen else { return true };
        let holder = self.holder();
        let seconds = lease["spec"]["leaseDurationSeconds"].as_u64().unwrap_or(0);
        holder.is_empty() || holder == self.identity || since.elapsed() >= Duration::from_secs(seconds)
    }

    fn read(&mut self, connection: &Connection) -> Result<(), KubeError> {
        let path = self.path();
        let answer = connection.get(&path, "application/json").map_err(|error| self.explain(error, "get"))?;
        let lease = json_of(connection, answer, &path)?;
        let same =
            |known: &Value| known["metadata"]["resourceVersion"] == lease["metadata"]["resourceVersion"];
        if self.seen.as_ref().is_none_or(|(known, _)| !same(known)) {
            self.seen = Some((lease, Instant::now()));
        }
        Ok(())
    }

    fn create(&mut self, connection: &Connection) -> Result<Tried, KubeError> {
        let now = micro_time();
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.duration.as_secs(),
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        });
        let path = self.resource.path(Some(&self.namespace));
        match connection.create(&path, lease.to_string().as_bytes()) {
            Ok(answer) => {
                self.seen = Some((json_of(connection, answer, &path)?, Instant::now()));
                Ok(Tried::Held)
            }
            Err(KubeError::Conflict { .. }) => Ok(Tried::Taken),
            Err(error) => Err(self.explain(error, "create")),
        }
    }

    fn take(&mut self, connection: &Connection) -> Result<(), KubeError> {
        let renewed = self.seen.as_ref().and_then(|(lease, _)| {
            let time: jiff::Timestamp = lease["spec"]["renewTime"].as_str()?.parse().ok()?;
            Some(SystemTime::from(time))
        });
        self.write(connection)?;
        self.since = renewed;
        Ok(())
    }

    /// Writes that we hold it now.
    fn write(&mut self, connection: &Connection) -> Result<(), KubeError> {
        let mut lease = self.seen.as_ref().map(|(lease, _)| lease.clone()).unwrap_or_default();
        let spec = &mut lease["spec"];
        let now = micro_time();
        if spec["holderIdentity"] != json!(self.identity) {
            spec["acquireTime"] = json!(now);
            spec["leaseTransitions"] = json!(spec["leaseTransitions"].as_u64().unwrap_or(0) + 1);
        }
        spec["holderIdentity"] = json!(self.identity);
        spec["leaseDurationSeconds"] = json!(self.duration.as_secs());
        spec["renewTime"] = json!(now);
        self.put(connection, &lease)
    }

    fn put(&mut self, connection: &Connection, lease: &Value) -> Result<(), KubeError> {
        let path = self.path();
        let answer = connection
            .replace(&path, lease.to_string().as_bytes())
            .map_err(|error| self.explain(error, "update"))?;
        self.seen = Some((json_of(connection, answer, &path)?, Instant::now()));
        Ok(())
    }

    fn path(&self) -> String {
        self.resource.object_path(Some(&self.namespace), &self.name)
    }

    fn explain(&self, error: KubeError, verb: &str) -> KubeError {
        match error {
            KubeError::Forbidden(message) => KubeError::Forbidden(format!(
                "not allowed to {verb} leases in namespace \"{}\": add {{apiGroups: [\"coordination.k8s.io\"], \
                 resources: [\"leases\"], verbs: [\"get\", \"create\", \"update\"]}} to the Role of the agent's \
                 service account ({message})",
                self.namespace
            )),
            error => error,
        }
    }
}

fn json_of(connection: &Connection, answer: impl Read, path: &str) -> Result<Value, KubeError> {
    let mut json = Vec::new();
    let target = || connection.target(path);
    answer
        .take(LARGEST)
        .read_to_end(&mut json)
        .map_err(|error| KubeError::Transport { target: target(), message: error.to_string() })?;
    serde_json::from_slice(&json)
        .map_err(|error| KubeError::Malformed { target: target(), message: error.to_string() })
}

/// Now, as the API writes times with microseconds.
fn micro_time() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
