//! Where the API server is and how to prove who we are, from `auth_type`.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::kubeconfig::Kubeconfig;
use super::{Credentials, KubeError};
use crate::net::tls::ClientTls;

/// `auth_type` of the Kubernetes components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthType {
    /// The agent's own service account, inside a cluster.
    #[default]
    ServiceAccount,
    /// A kubeconfig file: `$KUBECONFIG` or `~/.kube/config`.
    KubeConfig,
    /// Client certificate files; for the kubelet only.
    Tls,
    /// No proof of identity.
    None,
}

impl AuthType {
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "serviceAccount",
            Self::KubeConfig => "kubeConfig",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }
}

impl<'de> Deserialize<'de> for AuthType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl de::Visitor<'_> for Name {
            type Value = AuthType;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"serviceAccount\", \"kubeConfig\", \"tls\" or \"none\"")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<AuthType, E> {
                [AuthType::ServiceAccount, AuthType::KubeConfig, AuthType::Tls, AuthType::None]
                    .into_iter()
                    .find(|auth| auth.name() == name)
                    .ok_or_else(|| {
                        E::custom(format!(
                            "invalid authType for kubernetes: \"{name}\": must be serviceAccount, kubeConfig, tls or none"
                        ))
                    })
            }
            fn visit_unit<E: de::Error>(self) -> Result<AuthType, E> {
                Ok(AuthType::default())
            }
        }
        deserializer.deserialize_any(Name)
    }
}

/// How to reach the API server, as components are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig; empty for its current one.
    pub context: String,
}

/// A server with the means to talk to it.
#[derive(Debug)]
pub struct Access {
    /// Scheme, host and port, and a path if the server is behind one; no slash at the end.
    pub server: String,
    pub tls: ClientTls,
    pub credentials: Credentials,
}

/// Where pods find the files of their service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Access {
    pub fn new(config: &ApiConfig) -> Result<Self, KubeError> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match config.auth_type {
            AuthType::ServiceAccount => Self::in_cluster(&env, Path::new(SERVICE_ACCOUNT)),
            AuthType::KubeConfig => Kubeconfig::load(&env)?.access(&config.context),
            AuthType::None => Ok(Self {
                server: server_from(&env)?,
                tls: ClientTls { insecure_skip_verify: true, ..ClientTls::default() },
                credentials: Credentials::None,
            }),
            AuthType::Tls => Err(KubeError::Config(
                "auth_type \"tls\" is for the kubelet only: use serviceAccount or kubeConfig for the API server"
                    .to_owned(),
            )),
        }
    }

    /// Access by the current context of that kubeconfig file.
    pub fn from_kubeconfig(file: &str) -> Result<Self, KubeError> {
        let env = |name: &str| (name == "KUBECONFIG").then(|| file.to_owned());
        Kubeconfig::load(&env)?.access("")
    }

    /// Access as a pod has it; `folder` holds its service account.
    pub fn in_cluster(env: &dyn Fn(&str) -> Option<String>, folder: &Path) -> Result<Self, KubeError> {
        let (tls, credentials) = service_account(folder);
        Ok(Self { server: server_from(env)?, tls, credentials })
    }

    /// The service account of this pod, for servers other than the API server.
    pub fn service_account() -> Result<(ClientTls, Credentials), KubeError> {
        let folder = Path::new(SERVICE_ACCOUNT);
        if !folder.join("token").exists() {
            return Err(KubeError::Config(format!(
                "there is no service account token in {SERVICE_ACCOUNT}: run in a pod with \
                 automountServiceAccountToken, or set another auth_type"
            )));
        }
        Ok(service_account(folder))
    }
}

fn service_account(folder: &Path) -> (ClientTls, Credentials) {
    let ca = folder.join("ca.crt");
    let tls = ClientTls { ca_file: ca.exists().then_some(ca), ..ClientTls::default() };
    (tls, Credentials::token_file(folder.join("token")))
}

fn server_from(env: &dyn Fn(&str) -> Option<String>) -> Result<String, KubeError> {
    let host = env("KUBERNETES_SERVICE_HOST").ok_or(KubeError::NotInCluster)?;
    let port = env("KUBERNETES_SERVICE_PORT").ok_or(KubeError::NotInCluster)?;
    Ok(format!("https://{}", host_and_port(&host, &port)))
}

/// Puts an IPv6 address into brackets.
fn host_and_port(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_cluster(host: &'static str) -> Result<Access, KubeError> {
        let env = move |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => (!host.is_empty()).then(|| host.to_owned()),
            _ => Some("6443".to_owned()),
        };
        Access::in_cluster(&env, Path::new("/nowhere"))
    }

    #[test]
    fn the_server_comes_from_the_pods_environment() {
        assert_eq!(in_cluster("10.0.0.1").unwrap().server, "https://10.0.0.1:6443");
        assert_eq!(in_cluster("fd00::1").unwrap().server, "https://[fd00::1]:6443");
        let error = in_cluster("").unwrap_err().to_string();
        assert!(error.starts_with("unable to load in-cluster configuration"), "{error}");
        assert!(error.contains("kubeConfig"), "{error}");
    }

    #[test]
    fn auth_types_are_spelled_as_upstream_spells_them() {
        let read = |text: &str| crate::config::from_yaml::<ApiConfig>(text);
        assert_eq!(read("auth_type: kubeConfig").unwrap().auth_type, AuthType::KubeConfig);
        assert_eq!(read("{}").unwrap().auth_type, AuthType::ServiceAccount);
        assert!(read("auth_type: service").unwrap_err().contains("invalid authType for kubernetes"));
    }
}
