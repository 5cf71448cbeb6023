//! `kmagent run`: the agent itself.

use std::sync::Arc;

use crossbeam_channel::Sender;
use log::LevelFilter;
use xxhash_rust::xxh3::xxh3_64;

use super::sources::{self, LoadError};
use super::{EXIT_CONFIG, Sources};
use crate::agent::logging::{self, Encoding};
use crate::agent::own_metrics::{self, OwnMetrics};
use crate::agent::watch::Watcher;
use crate::agent::{Agent, Configurations, Environment, signals};
use crate::config::{Loaded, LogEncoding, LogLevel, Source, TelemetryConfig};
use crate::memory::Tidying;

pub fn run(from: &Sources) -> i32 {
    logging::init(LevelFilter::Info, Encoding::Json);
    match start_and_run(from) {
        Ok(code) => code,
        Err(error) => {
            // Whoever starts it by hand reads this, without a log's decoration around it.
            eprintln!("{error}");
            EXIT_CONFIG
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("error: cannot start: {0}")]
    Start(#[from] crate::pipeline::StartError),
    #[error("error: cannot listen to signals: {0}")]
    Signals(std::io::Error),
    #[error("error: cannot watch the configuration: {0}")]
    Watch(std::io::Error),
}

fn start_and_run(from: &Sources) -> Result<i32, RunError> {
    let memory = Tidying::begin();
    let environment = Arc::new(Environment::from_process().map_err(LoadError::from)?);
    let (requests, signals) = signals::listen().map_err(RunError::Signals)?;
    let files = from.files(&environment)?;
    let watcher = Watcher::new(&files);
    let in_force = from.capture(&environment)?;
    let config = sources::load(&in_force, &environment)?;
    configure_log(&environment, &config.telemetry);
    sources::log(&config.found);
    let agent = Agent::start(&config)?;
    let mut own = OwnMetrics::new(&agent.telemetry, &agent.board);
    own.apply(own_metrics::Settings::of(&config));
    let seen = config.resolved.root.digest();
    drop(config);
    if !files.is_empty() {
        look_for_changes(watcher, from, &environment, seen, requests)?;
    }
    let mut configurations =
        FromSources { from, environment, in_force, latest: Vec::new(), own, latest_own: None };
    Ok(agent.run(&signals, &mut configurations, memory).code())
}

/// The configurations of the command line's sources. Only their texts are kept.
struct FromSources<'a> {
    from: &'a Sources,
    environment: Arc<Environment>,
    in_force: Vec<Source>,
    latest: Vec<Source>,
    own: OwnMetrics,
    latest_own: Option<own_metrics::Settings>,
}

impl Configurations for FromSources<'_> {
    fn latest(&mut self) -> Result<Loaded, String> {
        self.latest = self.from.capture(&self.environment).map_err(|error| error.to_string())?;
        let config = sources::load(&self.latest, &self.environment).map_err(|error| error.to_string())?;
        configure_log(&self.environment, &config.telemetry);
        sources::log(&config.found);
        self.latest_own = Some(own_metrics::Settings::of(&config));
        Ok(config)
    }

    fn in_force(&self) -> Result<Loaded, String> {
        sources::load(&self.in_force, &self.environment).map_err(|error| error.to_string())
    }

    fn accept(&mut self) {
        self.in_force = std::mem::take(&mut self.latest);
        if let Some(settings) = self.latest_own.take() {
            self.own.apply(settings);
        }
    }
}

/// Asks for a reload when the sources say something else than what is in force.
fn look_for_changes(
    watcher: Watcher,
    from: &Sources,
    environment: &Arc<Environment>,
    seen: u64,
    requests: Sender<signals::Signal>,
) -> Result<(), RunError> {
    let (from, interval) = (from.clone(), environment.config_check_interval);
    let environment = environment.clone();
    let look = move || match from.resolve(&environment) {
        Ok(resolved) => resolved.root.digest(),
        Err(error) => xxh3_64(error.to_string().as_bytes()),
    };
    watcher.start(interval, seen, look, requests).map_err(RunError::Watch)
}

/// `KM_LOG_LEVEL` is for the one pod that is looked into: it wins over the configuration.
fn configure_log(environment: &Environment, telemetry: &TelemetryConfig) {
    let configured = match telemetry.logs.level {
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Error | LogLevel::Dpanic | LogLevel::Panic | LogLevel::Fatal => LevelFilter::Error,
    };
    let wanted = environment.log_level.as_deref().and_then(|name| {
        let level = logging::parse_level(name);
        if level.is_none() {
            log::warn!("KM_LOG_LEVEL \"{name}\" is no level: write debug, info, warn or error");
        }
        level
    });
    let encoding = match telemetry.logs.encoding {
        None | Some(LogEncoding::Json) => Encoding::Json,
        Some(LogEncoding::Console) => Encoding::Console,
    };
    logging::configure(wanted.unwrap_or(configured), encoding);
}
