//! Receivers: one folder a type. The table below is the one place that knows them all.

pub mod ebpf;
pub mod filelog;
pub mod hostmetrics;
pub mod kubeletstats;
pub mod scraper;
pub mod switches;

use crate::component::ReceiverType;

/// Every receiver type of this build, sorted by name.
pub static TYPES: &[&ReceiverType] = &[&ebpf::TYPE, &filelog::TYPE, &hostmetrics::TYPE, &kubeletstats::TYPE];
