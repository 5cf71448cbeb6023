//! The agent's own metrics, component status and warnings.

mod causes;
mod metrics;
mod page;
mod status;
mod usage;

pub use causes::Causes;
pub use metrics::{Counter, Gauge, Kind, Sample, Telemetry};
pub use page::{MetricsPage, PageSettings};
pub use status::{ComponentState, StatusBoard, StatusHandle};
pub use usage::Usage;
