//! `kmagent demo`: see `src/demo`.

use log::LevelFilter;

use super::EXIT_CONFIG;
use crate::agent::logging::{self, Encoding};
use crate::agent::{Environment, signals};
use crate::config::{self, Diagnostic, Registry, Role, Source};
use crate::demo;

pub fn run(once: bool) -> i32 {
    // What goes wrong shows in the summary; the screen is for that.
    logging::init(LevelFilter::Error, Encoding::Console);
    let outcome = signals::listen()
        .map_err(|error| format!("cannot listen to signals: {error}"))
        .and_then(|(_, signals)| demo::run(once, &signals, load).map_err(|error| error.to_string()));
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("error: {error}");
            EXIT_CONFIG
        }
    }
}

fn load(yaml: &str) -> Result<config::Loaded, String> {
    let environment = Environment::from_process().map_err(|error| error.to_string())?;
    let sources = [Source::Yaml(yaml.to_owned())];
    config::load(&sources, &environment, &Registry::standard(), Role::Daemonset)
        .map_err(|found| found.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))
}
