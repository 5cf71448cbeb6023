//! What moves between components, and how: batches with their acknowledgement, bounded channels,
//! fan-out, and the threads that run it all.

mod ack;
mod batch;
mod builder;
mod chain;
mod channel;
mod connectors;
mod content;
mod graph;
mod output;
mod plan;
mod relay;
pub mod split;
mod stop;
mod threads;
mod works;

pub use ack::{Ack, Outcome};
pub use batch::{Batch, Data, Lane, Signal};
pub use channel::{ChannelReceiver, ChannelSender, Limits, channel};
pub use content::Content;
pub use graph::{Change, Graph, Leftover, StartError};
pub use output::{Consumer, Output, Outputs, Rejected};
pub use stop::{Stop, StopSource};
pub use threads::{Ended, Event, Threads, panic_message};
