//! Who we are: a token, a token file that the kubelet renews, or a plugin that hands out tokens.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

use super::KubeError;
use crate::config::types::Secret;

/// Where the proof of our identity comes from.
#[derive(Debug)]
pub enum Credentials {
    None,
    Token(Secret),
    TokenFile(TokenFile),
    Exec(Exec),
}

/// What a request or a connection shows.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    pub token: Option<Secret>,
    /// Client certificate and key that a plugin handed out.
    pub identity: Option<(Secret, Secret)>,
}

impl Credentials {
    pub fn token_file(path: impl Into<PathBuf>) -> Self {
        Self::TokenFile(TokenFile { path: path.into(), read: Mutex::default() })
    }

    pub fn exec(plugin: ExecPlugin) -> Self {
        Self::Exec(Exec { plugin, granted: Mutex::default() })
    }

    pub(super) fn current(&self) -> Result<Grant, KubeError> {
        let token = match self {
            Self::None => None,
            Self::Token(token) => Some(token.clone()),
            Self::TokenFile(file) => Some(file.token()?),
            Self::Exec(exec) => return exec.grant(),
        };
        Ok(Grant { token, identity: None })
    }

    /// The server did not accept the present grant: forgets it. Whether another try has a chance.
    pub(super) fn renew(&self, refused: &Grant) -> bool {
        match self {
            Self::None | Self::Token(_) => false,
            Self::TokenFile(file) => {
                *lock(&file.read) = None;
                file.token().is_ok_and(|token| Some(token) != refused.token)
            }
            Self::Exec(exec) => {
                *lock(&exec.granted) = None;
                exec.grant().is_ok_and(|grant| grant.token != refused.token)
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes whenever the file does: inode, time of change, length. `None` when there is no file.
pub(super) type Stamp = Option<(u64, i64, i64, u64)>;

/// Follows the links that projected volumes swap.
pub(super) fn file_stamp(path: &Path) -> Stamp {
    std::fs::metadata(path).ok().map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

/// A token on disk. Projected tokens are replaced about hourly; a look at the file's metadata
/// before each request notices that.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Secret)>>,
}

impl TokenFile {
    fn token(&self) -> Result<Secret, KubeError> {
        let mut read = lock(&self.read);
        let stamp = file_stamp(&self.path);
        if let Some((known, token)) = &*read
            && *known == stamp
        {
            return Ok(token.clone());
        }
        let path = self.path.display();
        let text = std::fs::read_to_string(&self.path).map_err(|error| {
            KubeError::Config(format!(
                "cannot read the token {path}: {error}; mount it with automountServiceAccountToken: true"
            ))
        })?;
        let text = text.trim();
        if text.is_empty() || text.contains(|c: char| c.is_ascii_control()) {
            return Err(KubeError::Config(format!("the token file {path} holds no token")));
        }
        let token = Secret::new(text);
        *read = Some((stamp, token.clone()));
        Ok(token)
    }
}

/// A credential plugin of a kubeconfig: a command that prints an `ExecCredential`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExecPlugin {
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    pub command: String,
    #[serde(deserialize_with = "super::nullable")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "super::nullable")]
    pub env: Vec<EnvVar>,
    #[serde(rename = "installHint", deserialize_with = "super::nullable")]
    pub install_hint: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EnvVar {
    pub name: String,
    pub value: String,
}

/// A plugin with what it handed out last.
#[derive(Debug)]
pub struct Exec {
    plugin: ExecPlugin,
    granted: Mutex<Option<(Grant, Option<SystemTime>)>>,
}

const PLUGIN_TIMEOUT: Duration = Duration::from_secs(30);
const PLUGIN_OUTPUT: u64 = 1 << 20;
/// A token is renewed this long before it expires.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExecCredential {
    status: ExecStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExecStatus {
    token: Option<Secret>,
    expiration_timestamp: Option<String>,
    client_certificate_data: Option<Secret>,
    client_key_data: Option<Secret>,
}

impl Exec {
    fn grant(&self) -> Result<Grant, KubeError> {
        let mut granted = lock(&self.granted);
        if let Some((grant, expires)) = &*granted
            && expires.is_none_or(|expires| SystemTime::now() + EXPIRY_MARGIN < expires)
        {
            return Ok(grant.clone());
        }
        let output = self.run()?;
        let status = serde_json::from_slice::<ExecCredential>(&output)
            .map_err(|error| self.failed(&format!("its output is no ExecCredential: {error}")))?
            .status;
        let identity = status.client_certificate_data.zip(status.client_key_data);
        if status.token.is_none() && identity.is_none() {
            return Err(self.failed(&"its output holds neither a token nor a client certificate"));
        }
        let expires = status
            .expiration_timestamp
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map(SystemTime::from);
        let grant = Grant { token: status.token, identity };
        *granted = Some((grant.clone(), expires));
        Ok(grant)
    }

    fn run(&self) -> Result<Vec<u8>, KubeError> {
        let plugin = &self.plugin;
        let info = serde_json::json!({
            "kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": {"interactive": false},
        });
        let mut child = Command::new(&plugin.command)
            .args(&plugin.args)
            .envs(plugin.env.iter().map(|var| (&var.name, &var.value)))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| self.failed(&format!("it does not start: {error}; {}", plugin.install_hint)))?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let reader = std::thread::spawn(move || {
            let mut output = Vec::new();
            stdout.take(PLUGIN_OUTPUT).read_to_end(&mut output).map(|_| output)
        });
        let deadline = Instant::now() + PLUGIN_TIMEOUT;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                outcome => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(match outcome {
                        Err(error) => self.failed(&error),
                        Ok(_) => self.failed(&"it did not end within 30 seconds"),
                    });
                }
            }
        };
        if !status.success() {
            return Err(self.failed(&format!("it ended with {status}")));
        }
        match reader.join() {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.failed(&"its output cannot be read")),
        }
    }

    fn failed(&self, why: &dyn fmt::Display) -> KubeError {
        KubeError::Config(format!("credential plugin \"{}\": {why}", self.plugin.command))
    }
}

/// A relative path in a kubeconfig is relative to the file.
pub(super) fn beside(kubeconfig: &Path, path: &str) -> PathBuf {
    kubeconfig.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Credentials {
        Credentials::exec(ExecPlugin {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: vec![EnvVar { name: "WHO".to_owned(), value: "me".to_owned() }],
            install_hint: String::new(),
        })
    }

    #[test]
    fn a_plugin_hands_out_a_token_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("n").display().to_string();
        let script = format!(
            r#"echo x >> {count}; echo "{{\"status\":{{\"token\":\"$WHO-$(wc -l < {count} | tr -d ' ')\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}}}}""#
        );
        let credentials = sh(&script);
        let grant = credentials.current().unwrap();
        assert_eq!(grant.token.as_ref().unwrap().reveal(), "me-1");
        assert_eq!(credentials.current().unwrap().token.unwrap().reveal(), "me-1");
        assert!(credentials.renew(&grant));
        assert_eq!(credentials.current().unwrap().token.unwrap().reveal(), "me-2");
    }

    #[test]
    fn a_failing_plugin_is_named() {
        let error = sh("exit 3").current().unwrap_err().to_string();
        assert!(error.contains("\"sh\"") && error.contains("exit status: 3"), "{error}");
        let error = sh("echo nonsense").current().unwrap_err().to_string();
        assert!(error.contains("no ExecCredential"), "{error}");
    }

    #[test]
    fn informer_10_a_token_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let credentials = Credentials::token_file(&path);
        assert!(credentials.current().unwrap_err().to_string().contains("automountServiceAccountToken"));
        std::fs::write(&path, " \n").unwrap();
        assert!(credentials.current().unwrap_err().to_string().contains("holds no token"));
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(credentials.current().unwrap().token.unwrap().reveal(), "first");
        // As the kubelet does it: a new file takes the place of the old one.
        std::fs::write(folder.path().join("new"), "other\n").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(credentials.current().unwrap().token.unwrap().reveal(), "other");
    }
}
