//! `k8s_events`: the events of a cluster as logs, each told once.
//!
//! [`record`] makes a log of an event; the watch, and what must be known to tell each change once,
//! is [`super::kube_changes`]. Upstream: `receiver/k8seventsreceiver`.

mod record;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;

pub use run::EventsReceiver;

use crate::component::{BuildError, Context, Receiver, ReceiverConfig, ReceiverType, decode_receiver};
use crate::config::{ComponentId, Issues};
use crate::kube::{Access, ApiConfig, AuthType, Client, Namespaces, nullable};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "k8s_events",
    aliases: &[],
    signals: &[Signal::Logs],
    decode: decode_receiver::<K8sEventsConfig>,
};

/// Config of `k8s_events`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct K8sEventsConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    /// Empty or `all`: every namespace.
    #[serde(deserialize_with = "nullable")]
    pub namespaces: Vec<String>,
    /// The extension that decides which replica reads.
    pub k8s_leader_elector: Option<ComponentId>,
    /// The storage extension that keeps how far was read.
    pub storage: Option<ComponentId>,
}

impl K8sEventsConfig {
    /// The receiver on a client that is there already.
    pub fn receiver(&self, client: Arc<Client>, namespaces: Namespaces, context: Context) -> EventsReceiver {
        EventsReceiver::new(self.clone(), client, namespaces, context)
    }
}

impl ReceiverConfig for K8sEventsConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.auth_type == AuthType::Tls {
            issues.error("auth_type", "\"tls\" is for the kubelet only: use serviceAccount or kubeConfig");
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let api = ApiConfig { auth_type: self.auth_type, context: self.context.clone() };
        let access = Access::new(&api).map_err(|error| BuildError::new(error.to_string()))?;
        let namespaces = Namespaces::new(&context.id.to_string(), &self.namespaces);
        Ok(Box::new(self.receiver(Client::new(access), namespaces, context)))
    }
}
