//! The thread of a connector: the end of one pipeline and the beginning of others.

use std::time::Instant;

use super::ChannelReceiver;
use super::channel::Received;
use crate::component::{Connector, ConnectorOutputs};

/// Runs a connector until all pipelines that end in it are gone, then flushes it.
pub(super) fn run(input: &ChannelReceiver, mut connector: Box<dyn Connector>, outputs: &ConnectorOutputs) {
    loop {
        match input.recv(connector.deadline()) {
            Received::Batch(batch) => connector.process(batch, outputs),
            Received::Timeout => {}
            Received::Closed => break,
        }
        let now = Instant::now();
        if connector.deadline().is_some_and(|deadline| deadline <= now) {
            connector.tick(now, outputs);
        }
    }
    connector.flush(outputs);
}
