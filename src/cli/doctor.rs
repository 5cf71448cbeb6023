//! `kmagent doctor`: see `src/doctor`.

use super::sources::LoadError;
use super::{EXIT_CONFIG, Sources};
use crate::agent::Environment;
use crate::config::{Diagnostic, Severity};
use crate::doctor::{self, Configuration, Facts};

pub fn run(from: &Sources, json: bool) -> i32 {
    let environment = match Environment::from_process() {
        Ok(environment) => environment,
        Err(error) => {
            eprintln!("error: {error}");
            return EXIT_CONFIG;
        }
    };
    let configuration = read(from, &environment);
    let findings = doctor::examine(&Facts::new(environment, configuration));
    print!("{}", if json { doctor::to_json(&findings) } else { doctor::to_text(&findings) });
    if doctor::is_well(&findings) { 0 } else { EXIT_CONFIG }
}

fn read(from: &Sources, environment: &Environment) -> Configuration {
    let mut configuration = Configuration {
        root: from.resolve(environment).ok().map(|resolved| resolved.root),
        ..Configuration::default()
    };
    let found = match from.load(environment) {
        Ok(loaded) => loaded.found,
        Err(LoadError::Found(found)) => found,
        Err(error) => {
            configuration.errors.push(error.to_string());
            Vec::new()
        }
    };
    let texts = |severity: Severity| {
        found.iter().filter(move |found| found.severity == severity).map(Diagnostic::to_string)
    };
    configuration.errors.extend(texts(Severity::Error));
    configuration.warnings.extend(texts(Severity::Warning));
    configuration
}
