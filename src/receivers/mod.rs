//! Receivers: one folder a type. The table below is the one place that knows them all.

pub mod filelog;
pub mod hostmetrics;
pub mod httpcheck;
pub mod kubeletstats;
pub mod prometheus;
pub mod scraper;
pub mod switches;

use crate::component::ReceiverType;

/// Every receiver type of this build, sorted by name.
pub static TYPES: &[&ReceiverType] =
    &[&filelog::TYPE, &hostmetrics::TYPE, &httpcheck::TYPE, &kubeletstats::TYPE, &prometheus::TYPE];
