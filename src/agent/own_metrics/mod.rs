//! The agent's own metrics on their way out: a page to be scraped, and readers that send them as OTLP.

mod convert;
mod push;

use crate::config::{Loaded, Node, PeriodicReader};
use crate::otlp::AnyValue;
use crate::telemetry::{MetricsPage, PageSettings, StatusBoard, Telemetry};
use crate::uuid;

use push::Push;

/// What a configuration says about own metrics.
#[derive(Clone, Debug)]
pub struct Settings {
    page: PageSettings,
    readers: Vec<PeriodicReader>,
    /// Attributes of the agent's resource; none takes one of the usual ones away.
    resource: Vec<(String, Option<AnyValue>)>,
    /// Of the section that all of this comes from.
    digest: u64,
}

impl Settings {
    pub fn of(config: &Loaded) -> Self {
        let telemetry = &config.telemetry;
        let section = config.resolved.root.get("service").and_then(|service| service.get("telemetry"));
        Self {
            page: PageSettings::of(&telemetry.metrics),
            readers: telemetry.metrics.periodic().cloned().collect(),
            resource: telemetry.resource.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            digest: section.map_or(0, Node::digest),
        }
    }
}

/// The own metrics being served and sent; ends when dropped.
pub struct OwnMetrics {
    telemetry: Telemetry,
    board: StatusBoard,
    page: MetricsPage,
    readers: Vec<Push>,
    /// The same for as long as the process runs.
    instance: String,
    digest: Option<u64>,
}

impl OwnMetrics {
    pub fn new(telemetry: &Telemetry, board: &StatusBoard) -> Self {
        Self {
            telemetry: telemetry.clone(),
            board: board.clone(),
            page: MetricsPage::new(telemetry, board),
            readers: Vec::new(),
            instance: uuid::random(),
            digest: None,
        }
    }

    /// Serves and sends as `settings` say, and no longer as earlier ones did. What cannot be started
    /// costs a warning, not the agent: telemetry of others goes before its own.
    pub fn apply(&mut self, settings: Settings) {
        self.page.serve(settings.page);
        if self.digest.replace(settings.digest) == Some(settings.digest) {
            return;
        }
        self.readers.clear();
        for (n, reader) in settings.readers.iter().enumerate() {
            let resource = convert::resource(&settings.resource, &self.instance);
            match Push::start(n, reader, resource, &self.telemetry, &self.board) {
                Ok(push) => self.readers.extend(push),
                Err(error) => log::warn!(
                    "own metrics cannot be sent: {error}; see service::telemetry::metrics::readers"
                ),
            }
        }
    }
}
