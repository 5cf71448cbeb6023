//! The thread of a connector: the end of one pipeline and the beginning of others.

use std::time::Instant;

use super::channel::Received;
use super::{ChannelReceiver, Stop};
use crate::component::{Connector, ConnectorOutputs};
use crate::telemetry::Tap;

/// Runs a connector until all pipelines that end in it are gone or it is retired, then flushes it.
pub(super) fn run(
    input: &ChannelReceiver,
    retire: &Stop,
    mut connector: Box<dyn Connector>,
    outputs: &ConnectorOutputs,
    tap: &Tap,
) {
    loop {
        match input.recv(connector.deadline(), retire) {
            Received::Batch(batch) => {
                tap.pass(&batch);
                connector.process(batch, outputs);
            }
            Received::Timeout => {}
            Received::Closed | Received::Retired => break,
        }
        let now = Instant::now();
        if connector.deadline().is_some_and(|deadline| deadline <= now) {
            connector.tick(now, outputs);
        }
    }
    connector.flush(outputs);
}
