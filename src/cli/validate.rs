//! `kmagent validate`: silent when the configuration is good.

use super::{EXIT_CONFIG, Sources, sources};
use crate::agent::Environment;
use crate::config::Severity;

pub fn run(from: &Sources) -> i32 {
    let loaded =
        Environment::from_process().map_err(Into::into).and_then(|environment| from.load(&environment));
    match loaded {
        Ok(loaded) => {
            let worth: Vec<_> =
                loaded.found.into_iter().filter(|found| found.severity != Severity::Note).collect();
            sources::print(&worth);
            0
        }
        Err(error) => {
            sources::print_error(&error);
            EXIT_CONFIG
        }
    }
}
