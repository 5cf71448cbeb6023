//! `kmagent run`: the agent itself.

use log::LevelFilter;

use super::sources::{self, LoadError};
use super::{EXIT_CONFIG, Sources};
use crate::agent::logging::{self, Encoding};
use crate::agent::{Agent, Environment, signals};
use crate::config::{Loaded, LogEncoding, LogLevel, TelemetryConfig};

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
}

fn start_and_run(from: &Sources) -> Result<i32, RunError> {
    let environment = Environment::from_process().map_err(LoadError::from)?;
    let signals = signals::listen().map_err(RunError::Signals)?;
    let config = from.load(&environment)?;
    configure_log(&environment, &config.telemetry);
    sources::log(&config.found);
    let agent = Agent::start(&config)?;
    drop(config);
    Ok(agent.run(&signals, || reload(from, &environment)).code())
}

/// Loads anew; a configuration that is no good is reported and the old one stays in force.
fn reload(from: &Sources, environment: &Environment) -> Option<Loaded> {
    match from.load(environment) {
        Ok(config) => {
            configure_log(environment, &config.telemetry);
            sources::log(&config.found);
            Some(config)
        }
        Err(error) => {
            for line in error.to_string().lines() {
                log::error!("the running configuration stays in force: {line}");
            }
            None
        }
    }
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
