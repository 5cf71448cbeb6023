//! `kmagent demo`: the agent at work on this machine, with a backend inside the same process.
//!
//! The configuration is an ordinary one, the way an ordinary one too: receivers, queue, OTLP over
//! real HTTP to a port on the loopback. Only what the sink does with it is the demo's own.

mod configuration;
mod screen;
mod session;
pub mod sink;
mod summary;

pub use configuration::yaml;
pub use session::{INTERVAL, run};
