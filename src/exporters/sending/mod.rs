//! What surrounds every exporter: the bounded queue with its consumers, retry with back-off, and
//! the account of what became of every batch.
//!
//! [`start`] puts it around an exporter; the graph sends into [`RunningExporter::consumer`].
//!
//! Two promises differ from the collector: a full queue makes its source wait instead of losing the
//! batch, and batches of one [`Lane`](crate::pipeline::Lane) leave one after another, in order.

mod account;
mod backoff;
mod clock;
mod deliver;
mod direct;
mod durable;
mod queue;
mod running;
mod settings;

pub use clock::{Clock, SystemClock};
pub use durable::segment;
pub use running::{RunningExporter, Undelivered, start, start_with};
pub use settings::{QueueBatch, RetryOnFailure, Sending, SendingQueue, Sizer};

#[cfg(test)]
mod tests;
