//! What receivers of log records share beside the operators: fixed attributes, and what surrounds
//! the chain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::config::types::duration;
use crate::config::{Issues, Node};
use crate::otlp::KeyValue;

use super::filelog::entry::{FileId, Source};
use super::filelog::operators::{self, Site};
use super::filelog::templates::Templates;

/// How refused batches are sent again.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryOnFailure {
    pub enabled: bool,
    #[serde(deserialize_with = "duration")]
    pub initial_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub max_interval: Duration,
    #[serde(deserialize_with = "duration")]
    pub max_elapsed_time: Duration,
}

impl Default for RetryOnFailure {
    fn default() -> Self {
        Self {
            enabled: false,
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_mins(5),
        }
    }
}

/// The keys `attributes`, `resource` and `operators`, checked.
pub struct Shaping {
    attributes: Vec<KeyValue>,
    resource: Arc<Vec<KeyValue>>,
    /// Attributes that depend on the record.
    pub templates: Templates,
    pub operators: operators::Plan,
}

impl Shaping {
    /// `own` are operators of the receiver itself.
    pub fn decode(
        own: &[Node],
        attributes: &BTreeMap<String, String>,
        resource: &BTreeMap<String, String>,
        operators: &[Node],
        site: Site,
        issues: &mut Issues<'_>,
    ) -> Option<Self> {
        let compiled = Templates::compile(attributes, resource, issues);
        let operators = operators::Plan::decode_after(own, operators, "operators", site, issues);
        let (attributes, resource, templates) = compiled?;
        Some(Self { attributes, resource: Arc::new(resource), templates, operators: operators? })
    }

    /// What all records of a source share; `more` are attributes of the source itself.
    pub fn source(&self, id: FileId, path: String, more: Vec<KeyValue>) -> Arc<Source> {
        let mut attributes = more;
        attributes.extend(self.attributes.iter().cloned());
        let attributes = attributes.into();
        let resource = Arc::clone(&self.resource);
        Arc::new(Source { id, lineage: id, path, attributes, resource })
    }
}
