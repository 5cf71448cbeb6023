//! `kmagent config-updater`: see `src/updater`.

use log::LevelFilter;

use super::EXIT_CONFIG;
use crate::agent::logging::{self, Encoding};
use crate::agent::{Environment, signals};
use crate::updater;

pub fn run(rollout_restart: bool) -> i32 {
    logging::init(LevelFilter::Info, Encoding::Json);
    let outcome = signals::listen().map_err(|error| format!("cannot listen to signals: {error}")).and_then(
        |(_, signals)| {
            let environment = Environment::from_process().map_err(|error| error.to_string())?;
            updater::run(environment, rollout_restart, &signals).map_err(|error| error.to_string())
        },
    );
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            EXIT_CONFIG
        }
    }
}
