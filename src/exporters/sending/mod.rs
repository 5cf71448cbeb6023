//! What surrounds every exporter: the queue with its consumers, and retry.

/// Queue and retry settings of one exporter.
#[derive(Clone, Debug, Default)]
pub struct Sending {}
