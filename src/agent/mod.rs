//! The agent around the pipelines: environment, log, signals, start, reload and stop.

pub mod environment;
mod lifecycle;
pub mod logging;
pub mod own_metrics;
pub mod signals;
pub mod watch;

pub use environment::{Environment, EnvironmentError};
pub use lifecycle::{Agent, Configurations, Exit};
