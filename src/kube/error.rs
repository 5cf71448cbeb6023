//! What can go wrong between us and the API server.

use std::time::Duration;

use super::Query;
use crate::net::tls::TlsError;

#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    #[error(
        "unable to load in-cluster configuration: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must \
         be set; outside a cluster set auth_type to \"kubeConfig\""
    )]
    NotInCluster,
    /// Something about the configured access that must be mended by hand.
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer, or half of one.
    #[error("{target}: {message}")]
    Transport { target: String, message: String },
    #[error("{target}: access denied with status 401: the token or certificate is not accepted ({message})")]
    Unauthorized { target: String, message: String },
    #[error("{0}")]
    Forbidden(String),
    #[error("{target}: the API server does not serve this resource (404)")]
    NotFound { target: String },
    /// The resource version or continue token is too old.
    #[error("{target}: {message}")]
    Gone { target: String, message: String },
    /// The object is there already, or has changed since it was read.
    #[error("{target}: {message}")]
    Conflict { target: String, message: String },
    #[error("{target}: status {code}: {message}")]
    Status { target: String, code: u16, message: String, retry_after: Option<Duration> },
    /// The answer is not what an API server says.
    #[error("{target}: {message}")]
    Malformed { target: String, message: String },
    #[error("interrupted")]
    Interrupted,
}

impl KubeError {
    /// The error for a refused request, told by the rule that would allow it.
    pub fn forbidden(verb: &str, query: &Query, message: &str) -> Self {
        let (place, role) = match &query.namespace {
            Some(namespace) => (format!("in namespace \"{namespace}\""), "Role or ClusterRole"),
            None => ("in all namespaces".to_owned(), "ClusterRole"),
        };
        let resource = &query.resource;
        Self::Forbidden(format!(
            "not allowed to {verb} {} {place}: add {{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"get\", \
             \"list\", \"watch\"]}} to the {role} of the agent's service account ({message})",
            resource.plural, resource.group, resource.plural
        ))
    }

    /// Whether only a person can mend it: asking again soon does not help.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::NotInCluster | Self::Config(_) | Self::Tls(_) | Self::Forbidden(_) | Self::NotFound { .. }
        )
    }

    /// A word for the kind of error: a new kind is worth a new line in the log.
    pub fn cause(&self) -> String {
        match self {
            Self::NotInCluster | Self::Config(_) | Self::Tls(_) => "config".to_owned(),
            Self::Transport { .. } => "transport".to_owned(),
            Self::Unauthorized { .. } => "unauthorized".to_owned(),
            Self::Forbidden(_) => "forbidden".to_owned(),
            Self::NotFound { .. } => "not found".to_owned(),
            Self::Gone { .. } => "gone".to_owned(),
            Self::Conflict { .. } => "conflict".to_owned(),
            Self::Status { code, .. } => format!("status {code}"),
            Self::Malformed { .. } => "malformed".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
        }
    }
}
