//! The `time_parser` operator, and the `timestamp` block of parsers.

mod epoch;
mod run;
mod strptime;

use serde::Deserialize;

use crate::config::Issues;

use super::parsing::{changer, check, required};
use super::{Decoded, OperatorType, Section, operator_config};

pub use run::{Time, with_year, zone};

pub static TYPE: OperatorType = OperatorType { name: "time_parser", decode };

operator_config! {
    /// Keys of the `time_parser` operator.
    pub struct Config {
        parse_from: String = String::new(),
        layout: String = String::new(),
        layout_type: LayoutType = LayoutType::Strptime,
        location: String = String::new(),
    }
}

/// Keys of the `timestamp` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeConfig {
    parse_from: String,
    layout: String,
    layout_type: LayoutType,
    /// IANA name of the zone of times that name none; by default that of this process.
    location: String,
}

/// How a layout is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutType {
    /// `%Y-%m-%d`
    #[default]
    Strptime,
    /// `2006-01-02`
    Gotime,
    /// `s`, `ms`, `s.ns` …
    Epoch,
}

impl TimeConfig {
    pub fn check(&self, path: &str, issues: &mut Issues<'_>) -> Option<Time> {
        let parse_from = required(&self.parse_from, path, "parse_from", issues);
        if self.layout.is_empty() {
            issues.error(path, "missing required parameter \"layout\": write the form of the time");
            return None;
        }
        let layout = check(run::Layout::new(self.layout_type, &self.layout), path, "layout", issues);
        // A layout that ends with a plain Z says that its times are in UTC.
        let location =
            if self.location.is_empty() && self.layout.ends_with('Z') { "UTC" } else { &self.location };
        let zone = check(zone(location), path, "location", issues);
        Some(Time::new(parse_from?, layout?, zone?))
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let config = TimeConfig {
        parse_from: config.parse_from,
        layout: config.layout,
        layout_type: config.layout_type,
        location: config.location,
    };
    config.check(section.path, issues).map(changer)
}
