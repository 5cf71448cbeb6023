//! Receivers: one folder a type. The table below is the one place that knows them all.

pub mod filelog;
pub mod hostmetrics;
pub mod kubeletstats;
pub mod otlp;
pub mod scraper;
pub mod switches;

use crate::component::ReceiverType;

/// Every receiver type of this build, sorted by name.
pub static TYPES: &[&ReceiverType] = &[&filelog::TYPE, &hostmetrics::TYPE, &kubeletstats::TYPE, &otlp::TYPE];
