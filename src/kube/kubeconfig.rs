//! `kubeconfig` files: clusters, users and contexts.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde::Deserialize;

use super::credentials::{ExecPlugin, beside};
use super::{Access, Credentials, KubeError, nullable};
use crate::config::types::Secret;
use crate::net::tls::ClientTls;

/// The merged content of all files of `$KUBECONFIG`; the first to name something wins.
#[derive(Debug, Default)]
pub struct Kubeconfig {
    current_context: String,
    contexts: Vec<Named<ContextEntry>>,
    clusters: Vec<Named<ClusterEntry>>,
    users: Vec<Named<UserEntry>>,
}

/// An entry with its name and the file it came from.
#[derive(Debug)]
struct Named<T> {
    name: String,
    file: PathBuf,
    entry: T,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(rename = "current-context", deserialize_with = "nullable")]
    current_context: String,
    #[serde(deserialize_with = "nullable")]
    contexts: Vec<NamedContext>,
    #[serde(deserialize_with = "nullable")]
    clusters: Vec<NamedCluster>,
    #[serde(deserialize_with = "nullable")]
    users: Vec<NamedUser>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: ContextEntry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: ClusterEntry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: String,
    #[serde(deserialize_with = "nullable")]
    user: UserEntry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContextEntry {
    cluster: String,
    user: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct UserEntry {
    token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<Secret>,
    client_key: Option<String>,
    client_key_data: Option<Secret>,
    exec: Option<ExecPlugin>,
}

impl Kubeconfig {
    /// Reads the files of `$KUBECONFIG`, or `~/.kube/config`. Files that do not exist are passed
    /// over, as long as there is one.
    pub fn load(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, KubeError> {
        let paths: Vec<PathBuf> = match (env("KUBECONFIG"), env("HOME")) {
            (Some(list), _) => std::env::split_paths(&list).filter(|path| path != Path::new("")).collect(),
            (None, Some(home)) => vec![Path::new(&home).join(".kube/config")],
            (None, None) => Vec::new(),
        };
        let mut merged = Self::default();
        let mut found = false;
        for path in &paths {
            match std::fs::read_to_string(path) {
                Ok(text) => {
                    found = true;
                    merged.merge(path, &text)?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(KubeError::Config(format!(
                        "cannot read the kubeconfig {}: {error}",
                        path.display()
                    )));
                }
            }
        }
        if !found {
            let places: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            return Err(KubeError::Config(format!(
                "there is no kubeconfig (looked at {}): set KUBECONFIG",
                places.join(", ")
            )));
        }
        Ok(merged)
    }

    fn merge(&mut self, path: &Path, text: &str) -> Result<(), KubeError> {
        let file: File = serde_yaml::from_str(text)
            .map_err(|error| KubeError::Config(format!("kubeconfig {}: {error}", path.display())))?;
        if self.current_context.is_empty() {
            self.current_context = file.current_context;
        }
        let file_path = path.to_owned();
        let named = |name| (name, file_path.clone());
        for NamedContext { name, context } in file.contexts {
            add(&mut self.contexts, named(name), context);
        }
        for NamedCluster { name, cluster } in file.clusters {
            add(&mut self.clusters, named(name), cluster);
        }
        for NamedUser { name, user } in file.users {
            add(&mut self.users, named(name), user);
        }
        Ok(())
    }

    /// What the context (or the current one) says.
    pub fn access(&self, context: &str) -> Result<Access, KubeError> {
        let name = if context.is_empty() { &self.current_context } else { context };
        if name.is_empty() {
            return Err(KubeError::Config(
                "the kubeconfig has no current-context: set \"context\"".to_owned(),
            ));
        }
        let context = find(&self.contexts, "context", name)?;
        let cluster = find(&self.clusters, "cluster", &context.entry.cluster)?;
        let (file, cluster) = (&cluster.file, &cluster.entry);
        let mut tls = ClientTls {
            insecure_skip_verify: cluster.insecure_skip_tls_verify,
            server_name_override: cluster.tls_server_name.clone().unwrap_or_default(),
            ..ClientTls::default()
        };
        (tls.ca_file, tls.ca_pem) = pem(
            file,
            cluster.certificate_authority.as_deref(),
            cluster.certificate_authority_data.as_deref(),
        )?;
        let mut credentials = Credentials::None;
        if !context.entry.user.is_empty() {
            let user = find(&self.users, "user", &context.entry.user)?;
            let (file, user) = (&user.file, &user.entry);
            let (certificate, key) = (&user.client_certificate, &user.client_key);
            let data = |data: &Option<Secret>| data.as_ref().map(|data| data.reveal().to_owned());
            (tls.cert_file, tls.cert_pem) =
                pem(file, certificate.as_deref(), data(&user.client_certificate_data).as_deref())?;
            (tls.key_file, tls.key_pem) = pem(file, key.as_deref(), data(&user.client_key_data).as_deref())?;
            if let Some(path) = &user.token_file {
                credentials = Credentials::token_file(beside(file, path));
            } else if let Some(token) = &user.token {
                credentials = Credentials::Token(token.clone());
            } else if let Some(plugin) = &user.exec {
                let mut plugin = plugin.clone();
                if plugin.command.contains('/') {
                    plugin.command = beside(file, &plugin.command).display().to_string();
                }
                credentials = Credentials::exec(plugin);
            }
        }
        Ok(Access { server: cluster.server.trim_end_matches('/').to_owned(), tls, credentials })
    }
}

fn add<T>(entries: &mut Vec<Named<T>>, (name, file): (String, PathBuf), entry: T) {
    if entries.iter().all(|known| known.name != name) {
        entries.push(Named { name, file, entry });
    }
}

fn find<'a, T>(entries: &'a [Named<T>], what: &str, name: &str) -> Result<&'a Named<T>, KubeError> {
    entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        KubeError::Config(format!("the kubeconfig has no {what} \"{name}\"; it has: {}", known.join(", ")))
    })
}

/// The place of a PEM text: beside the kubeconfig, or in it.
fn pem(
    file: &Path,
    path: Option<&str>,
    data: Option<&str>,
) -> Result<(Option<PathBuf>, Option<Secret>), KubeError> {
    let bad = |error: &dyn std::fmt::Display| {
        KubeError::Config(format!("the kubeconfig {} holds bad base64: {error}", file.display()))
    };
    match (data, path) {
        (Some(data), _) if !data.is_empty() => {
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(data.trim()).map_err(|error| bad(&error))?;
            let text = String::from_utf8(bytes).map_err(|error| bad(&error))?;
            Ok((None, Some(Secret::new(text))))
        }
        (_, Some(path)) if !path.is_empty() => Ok((Some(beside(file, path)), None)),
        _ => Ok((None, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
current-context: dev
contexts:
  - {name: dev, context: {cluster: c1, user: u1}}
  - {name: prod, context: {cluster: c2, user: u2}}
clusters:
  - {name: c1, cluster: {server: 'https://dev:6443/', certificate-authority: ca.pem}}
  - {name: c2, cluster: {server: 'https://prod', insecure-skip-tls-verify: true}}
users:
  - {name: u1, user: {token: t1}}
  - {name: u2, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, args: null}}}
";

    fn load(text: &str) -> Result<Kubeconfig, KubeError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        Kubeconfig::load(&|name| {
            (name == "KUBECONFIG").then(|| format!("/does/not/exist:{}", path.display()))
        })
    }

    #[test]
    fn a_context_names_server_trust_and_user() {
        let config = load(FILE).unwrap();
        let dev = config.access("").unwrap();
        assert_eq!(dev.server, "https://dev:6443");
        assert!(dev.tls.ca_file.is_some_and(|path| path.is_absolute() && path.ends_with("ca.pem")));
        assert!(matches!(&dev.credentials, Credentials::Token(token) if token.reveal() == "t1"));
        let prod = config.access("prod").unwrap();
        assert!(prod.tls.insecure_skip_verify && matches!(prod.credentials, Credentials::Exec(_)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = load(FILE).unwrap().access("stage").unwrap_err().to_string();
        assert_eq!(error, "the kubeconfig has no context \"stage\"; it has: dev, prod");
        assert!(Kubeconfig::load(&|_| None).unwrap_err().to_string().contains("set KUBECONFIG"));
    }
}
