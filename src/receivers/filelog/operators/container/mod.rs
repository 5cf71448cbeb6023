//! The `container` operator: lines as container runtimes write them (CRI and Docker), their parts
//! joined, with the pod's metadata from the path of the file.

mod format;
mod join;
mod metadata;
mod operator;

use serde::Deserialize;

use crate::config::Issues;
use crate::config::types::ByteSize;

use super::field::Field;
use super::{Decoded, FieldError, OperatorType, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "container", decode };

operator_config! {
    /// Keys of the `container` operator.
    pub struct Config {
        /// What the lines look like; by default each line shows it.
        format: Format = Format::Auto,
        /// Take `k8s.*` resource attributes from the path of the file.
        add_metadata_from_filepath: bool = true,
        /// A line joined from parts is handed on when it grows larger than this; 0 = no limit.
        max_log_size: ByteSize = ByteSize(1 << 20),
        parse_from: String = "body".to_owned(),
        parse_to: String = "attributes".to_owned(),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    #[serde(rename = "")]
    Auto,
    Docker,
    Crio,
    Containerd,
}

/// What the operator needs to run.
#[derive(Clone, Debug)]
struct Settings {
    format: Format,
    metadata: bool,
    max_log_size: usize,
    trim_end: bool,
    parse_from: Field,
    parse_to: Field,
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let mut field = |key: &str, parsed: Result<Field, FieldError>| {
        let path = format!("{}::{key}", section.path);
        parsed.inspect_err(|error| issues.error(&path, error.to_string())).ok()
    };
    let parse_from = field("parse_from", Field::parse(&config.parse_from));
    let parse_to = field("parse_to", Field::parse_root(&config.parse_to));
    let (parse_from, parse_to) = (parse_from?, parse_to?);
    let takes_raw = section.site.first && section.site.utf8 && parse_from == Field::body();
    let settings = Settings {
        format: config.format,
        metadata: config.add_metadata_from_filepath,
        max_log_size: match config.max_log_size.0 {
            0 => usize::MAX,
            limit => limit as usize,
        },
        trim_end: takes_raw && section.site.trim_end,
        parse_from,
        parse_to,
    };
    let mut decoded = Decoded::new(move || Box::new(operator::Container::new(settings.clone())));
    decoded.takes_raw = takes_raw;
    Some(decoded)
}
