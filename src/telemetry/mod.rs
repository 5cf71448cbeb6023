//! The agent's own metrics, component status and warnings.

mod causes;
mod metrics;
mod status;

pub use causes::Causes;
pub use metrics::{Counter, Gauge, Kind, Sample, Telemetry};
pub use status::{ComponentState, StatusBoard, StatusHandle};
