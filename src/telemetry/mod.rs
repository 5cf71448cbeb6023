//! The agent's own metrics, component status and warnings, and taps to look at passing data.

mod causes;
mod layout;
mod metrics;
mod page;
mod recent;
mod status;
mod tap;
mod usage;

pub use causes::Causes;
pub use layout::{Layout, PipelineLayout, Placed};
pub use metrics::{Counter, Gauge, Kind, Sample, Telemetry};
pub use page::{MetricsPage, PageSettings};
pub use recent::{Note, note, notes};
pub use status::{ComponentState, StatusBoard, StatusHandle};
pub use tap::{Passed, Sample as TapSample, Tap, Taps};
pub use usage::Usage;
