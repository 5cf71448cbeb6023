//! `kmagent print-config`: the configuration after merging and expansion, secrets masked.

use super::{EXIT_CONFIG, Sources, sources};
use crate::agent::Environment;

pub fn run(from: &Sources) -> i32 {
    let resolved =
        Environment::from_process().map_err(Into::into).and_then(|environment| from.resolve(&environment));
    match resolved {
        Ok(resolved) => {
            sources::print(&resolved.found);
            print!("{}", resolved.to_yaml());
            0
        }
        Err(error) => {
            sources::print_error(&error);
            EXIT_CONFIG
        }
    }
}
