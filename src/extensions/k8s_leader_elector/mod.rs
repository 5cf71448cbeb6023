//! The `k8s_leader_elector` extension: of several replicas one works, decided by a Lease.
//!
//! [`lease`] reads and writes the Lease, [`elector`] is the thread that holds on to it. Receivers
//! take part through [`crate::component::Election`].

mod elector;
mod lease;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use self::elector::Elector;
use crate::component::{
    BuildError, Context, Election, Extension, ExtensionConfig, ExtensionType, RunningExtension,
    decode_extension,
};
use crate::config::Issues;
use crate::config::types::duration;
use crate::kube::{Access, ApiConfig, AuthType, Client};
use crate::telemetry::StatusBoard;

pub static TYPE: ExtensionType = ExtensionType {
    name: "k8s_leader_elector",
    aliases: &[],
    signals: &[],
    decode: decode_extension::<Config>,
};

/// Keys of the `k8s_leader_elector` extension.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    pub lease_name: String,
    pub lease_namespace: String,
    /// After so much silence of the leader another one may take over.
    #[serde(deserialize_with = "duration")]
    pub lease_duration: Duration,
    /// A leader that cannot renew the lease for so long stops.
    #[serde(deserialize_with = "duration")]
    pub renew_deadline: Duration,
    #[serde(deserialize_with = "duration")]
    pub retry_period: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auth_type: AuthType::ServiceAccount,
            context: String::new(),
            lease_name: String::new(),
            lease_namespace: String::new(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl ExtensionConfig for Config {
    fn validate(&self, issues: &mut Issues<'_>) {
        for (key, value) in [("lease_name", &self.lease_name), ("lease_namespace", &self.lease_namespace)] {
            if value.is_empty() {
                issues.error(key, "must not be empty: name the Lease that the replicas share");
            }
        }
        if self.lease_duration < Duration::from_secs(1) {
            issues.error("lease_duration", "must be a second or more");
        }
        if self.lease_duration <= self.renew_deadline {
            issues.error("lease_duration", "must be longer than renew_deadline, or two replicas could work");
        }
        if self.renew_deadline <= self.retry_period.mul_f64(1.2) {
            issues.error("renew_deadline", "must be longer than 1.2 times retry_period");
        }
        if self.retry_period.is_zero() {
            issues.error("retry_period", "must be longer than zero");
        }
        if self.auth_type == AuthType::Tls {
            issues.error("auth_type", "\"tls\" is for the kubelet only: use serviceAccount or kubeConfig");
        }
    }

    fn build(&self, context: Context, _: StatusBoard) -> Result<Box<dyn Extension>, BuildError> {
        let api = ApiConfig { auth_type: self.auth_type, context: self.context.clone() };
        let access = Access::new(&api).map_err(|error| BuildError::new(error.to_string()))?;
        Ok(Box::new(LeaderElector { config: self.clone(), client: Client::new(access), context }))
    }
}

struct LeaderElector {
    config: Config,
    client: Arc<Client>,
    context: Context,
}

impl Extension for LeaderElector {
    fn start(self: Box<Self>) -> Result<Box<dyn RunningExtension>, BuildError> {
        let elector = Elector::start(self.config, self.client, self.context)
            .map_err(|error| BuildError::new(format!("cannot start a thread: {error}")))?;
        Ok(Box::new(Running { elector }))
    }
}

struct Running {
    elector: Elector,
}

impl RunningExtension for Running {
    fn election(&self) -> Option<Arc<dyn Election>> {
        Some(self.elector.election())
    }
}
