//! `kmagent config-updater`: brings configurations from the KloudMate API into the cluster.
//!
//! Every interval it posts what runs here to the API. An answer that says so brings a configuration
//! for either role: it is checked as the agents would check it, then written into their ConfigMap
//! by server-side apply, the one that was in force kept beside it as an annotation. The agents take
//! a changed ConfigMap up on their own. The answer also says which workloads are to be
//! instrumented: their annotation is set or taken away.
//!
//! Nothing is kept between two rounds, and what is in place is not written again: any number of
//! updaters may run at once, and one may die at any point.

mod api;
mod config_map;
mod health;
mod instrumentation;
mod inventory;
mod rollout;
mod settings;
#[cfg(test)]
mod tests;
mod yaml;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

pub use settings::{Settings, SettingsError};

use crate::agent::signals::Signal;
use crate::agent::{Environment, logging};
use crate::config::Role;
use crate::kube::{Access, ApiConfig, Client, Connection, KubeError, Timeouts};
use crate::telemetry::Causes;

/// Why the updater cannot start.
#[derive(Debug, thiserror::Error)]
pub enum UpdaterError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the Kubernetes API cannot be used: {0}")]
    Kube(#[from] KubeError),
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] crate::net::tls::TlsError),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Runs until a signal asks to stop.
pub fn run(
    environment: Environment,
    rollout_restart: bool,
    signals: &Receiver<Signal>,
) -> Result<(), UpdaterError> {
    let settings = Settings::from_environment(&environment, rollout_restart)?;
    if let Some(level) = environment.log_level.as_deref().and_then(logging::parse_level) {
        logging::configure(level, logging::Encoding::Json);
    }
    let client = Client::new(Access::new(&ApiConfig::default())?);
    let updater = Updater::new(settings, environment, client.connect(TIMEOUTS))?;
    log::info!("asking {} every {:?}", updater.settings.endpoint, updater.settings.interval);
    // A round may take longer than a stop may: it goes on in a thread that nobody waits for, since
    // every step of it may be the last.
    let _pages = updater.health.serve(updater.settings.interval);
    let (stop, stopped) = bounded(0);
    std::thread::Builder::new()
        .name("config-updater".to_owned())
        .spawn(move || updater.rounds(&stopped))
        .map_err(UpdaterError::Thread)?;
    wait(signals);
    drop::<Sender<()>>(stop);
    Ok(())
}

fn wait(signals: &Receiver<Signal>) {
    while let Ok(signal) = signals.recv() {
        if let Signal::Stop(name) = signal {
            log::info!("received {name}: stopping");
            return;
        }
    }
}

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(20),
    idle: Duration::from_secs(20),
};

/// The work of a round, with what it needs.
struct Updater {
    settings: Settings,
    environment: Environment,
    api: api::Api,
    kube: Arc<Connection>,
    /// What was logged and has not changed since.
    said: Causes<String>,
    health: health::Health,
}

impl Updater {
    fn new(settings: Settings, environment: Environment, kube: Connection) -> Result<Self, UpdaterError> {
        let api = api::Api::new()?;
        Ok(Self {
            settings,
            environment,
            api,
            kube: Arc::new(kube),
            said: Causes::new(),
            health: health::Health::default(),
        })
    }

    fn rounds(&self, stopped: &Receiver<()>) {
        loop {
            self.health.began();
            self.round();
            self.health.ended();
            // Clusters that were installed together do not ask together for ever.
            let pause = self.settings.interval.mul_f64(0.95 + fastrand::f64() * 0.1);
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// One exchange with the API, and what follows from it. Failures are logged, once as long as
    /// they stay the same; the next round tries again.
    fn round(&self) {
        let workloads = if self.settings.apm { self.workloads() } else { Vec::new() };
        let answer = match self.api.ask(&self.settings, &workloads) {
            Ok(answer) => answer,
            Err(error) => return self.say(&error.to_string()),
        };
        if answer.restart_required {
            for (role, config) in
                [(Role::Daemonset, answer.config.daemonset), (Role::Deployment, answer.config.deployment)]
            {
                if let Some(config) = config {
                    self.update(role, &config);
                }
            }
        }
        if answer.k8s.apm_enabled && self.settings.apm {
            for wish in &answer.k8s.apm_settings {
                if let Err(error) = instrumentation::apply(&self.kube, &self.settings, wish) {
                    self.say(&error.to_string());
                }
            }
        }
    }

    fn workloads(&self) -> Vec<inventory::Workload> {
        inventory::list(&self.kube, &self.settings).unwrap_or_else(|error| {
            self.say(&format!("workloads cannot be listed: {error}"));
            Vec::new()
        })
    }

    fn update(&self, role: Role, config: &serde_json::Value) {
        let Some(target) = self.settings.target(role) else { return };
        let outcome = config_map::bring(&self.kube, &self.settings, &self.environment, target, config);
        match outcome {
            Ok(config_map::Outcome::Written) => {
                log::info!("wrote a new configuration into ConfigMap {}", target.config_map);
                if self.settings.rollout_restart
                    && let Err(error) = rollout::restart(&self.kube, &self.settings, target)
                {
                    self.say(&format!("{} cannot be restarted: {error}", target.workload));
                }
            }
            Ok(config_map::Outcome::InPlace) => {}
            Err(error) => self.say(&format!("ConfigMap {}: {error}", target.config_map)),
        }
    }

    fn say(&self, problem: &str) {
        self.health.problem(problem);
        if self.said.is_new(problem.to_owned()) {
            log::warn!("{problem}");
        }
    }
}
