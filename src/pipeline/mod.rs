//! What moves between components, and how: batches with their acknowledgement, bounded channels,
//! fan-out, and the threads that run it all.

mod ack;
mod batch;
mod channel;
mod output;
mod stop;

pub use ack::{Ack, Outcome};
pub use batch::{Batch, Data, Lane, Signal};
pub use channel::{ChannelReceiver, ChannelSender, Limits, channel};
pub use output::{Consumer, Output, Outputs, Rejected};
pub use stop::{Stop, StopSource};
