//! From the arguments to a loaded configuration, and its findings to the reader.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::Sources;
use crate::agent::{Environment, EnvironmentError};
use crate::config::{self, Diagnostic, Loaded, Registry, Resolved, Role, Severity, Source, SourceError};

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    #[error("--config {argument}: {source}")]
    Config { argument: String, source: SourceError },
    #[error("{0}")]
    Set(SourceError),
    #[error("{}", lines(.0))]
    Found(Vec<Diagnostic>),
}

fn lines(found: &[Diagnostic]) -> String {
    found.iter().map(labelled).collect::<Vec<_>>().join("\n")
}

/// The files of the image, by role.
fn default_file(role: Role) -> PathBuf {
    PathBuf::from(match role {
        Role::Daemonset => "/etc/kmagent/agent-daemonset.yaml",
        Role::Deployment => "/etc/kmagent/agent-deployment.yaml",
    })
}

/// The default configurations cannot run without these.
const REQUIRED: [&str; 2] = ["KM_API_KEY", "KM_COLLECTOR_ENDPOINT"];

impl Sources {
    /// The sources to read, in order.
    fn list(&self, environment: &Environment) -> Result<Vec<Source>, LoadError> {
        let mut sources = Vec::new();
        if self.config.is_empty() {
            environment.require(&REQUIRED)?;
            sources.push(Source::File(default_file(environment.role)));
        }
        for argument in &self.config {
            let source = argument
                .parse()
                .map_err(|source| LoadError::Config { argument: argument.clone(), source })?;
            sources.push(source);
        }
        for argument in &self.set {
            sources.push(Source::set(argument).map_err(LoadError::Set)?);
        }
        Ok(sources)
    }

    /// The sources as they are now.
    pub fn capture(&self, environment: &Environment) -> Result<Vec<Source>, LoadError> {
        Ok(self.list(environment)?.into_iter().map(Source::captured).collect())
    }

    /// The files that hold configuration.
    pub fn files(&self, environment: &Environment) -> Result<Vec<PathBuf>, LoadError> {
        let files = self.list(environment)?.into_iter().filter_map(|source| match source {
            Source::File(path) => Some(path),
            _ => None,
        });
        Ok(files.collect())
    }

    /// Reads, checks and decodes everything.
    pub fn load(&self, environment: &Environment) -> Result<Loaded, LoadError> {
        load(&self.list(environment)?, environment)
    }

    /// Reads, merges and expands; checks no more than that takes.
    pub fn resolve(&self, environment: &Environment) -> Result<Resolved, LoadError> {
        config::resolve(&self.list(environment)?, environment).map_err(LoadError::Found)
    }
}

/// Checks and decodes everything that `sources` say.
pub fn load(sources: &[Source], environment: &Environment) -> Result<Loaded, LoadError> {
    config::load(sources, environment, &Registry::standard(), environment.role).map_err(LoadError::Found)
}

/// Prints findings to stderr, for the commands that only check.
pub fn print(found: &[Diagnostic]) {
    for diagnostic in found {
        eprintln!("{}", labelled(diagnostic));
    }
}

/// Prints an error to stderr.
pub fn print_error(error: &LoadError) {
    eprintln!("{error}");
}

/// Writes findings to the log, for the commands that run.
pub fn log(found: &[Diagnostic]) {
    for diagnostic in found {
        match diagnostic.severity {
            Severity::Error => log::error!("{diagnostic}"),
            Severity::Warning => log::warn!("{diagnostic}"),
            Severity::Note => log::info!("{diagnostic}"),
        }
    }
}

fn labelled(diagnostic: &Diagnostic) -> String {
    let (label, colour) = match diagnostic.severity {
        Severity::Error => ("error", "31"),
        Severity::Warning => ("warning", "33"),
        Severity::Note => ("note", "36"),
    };
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{colour}m{label}\x1b[0m: {diagnostic}")
    } else {
        format!("{label}: {diagnostic}")
    }
}
