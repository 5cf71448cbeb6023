//! Work that only the leader does.

use std::sync::Arc;
use std::time::SystemTime;

use crossbeam_channel::{bounded, select};

use crate::component::Election;
use crate::pipeline::{Stop, StopSource};

/// Runs `work` until `stop` is raised: once without an election, else once for each time this
/// process leads. The request that `work` gets is raised at the end of its lead too; besides it
/// gets the time until which somebody has led before.
pub fn while_leading(
    election: Option<&Arc<dyn Election>>,
    stop: &Stop,
    mut work: impl FnMut(&Stop, Option<SystemTime>),
) {
    let Some(election) = election else { return work(stop, None) };
    while let Some(lead) = election.lead(stop) {
        let (either, since) = (StopSource::new(), lead.since);
        let (done, is_done) = bounded::<()>(0);
        std::thread::scope(|scope| {
            let raise = either.clone();
            let lead = &lead;
            scope.spawn(move || {
                select! {
                    recv(lead.stop.channel()) -> _ => {}
                    recv(stop.channel()) -> _ => {}
                    recv(is_done) -> _ => {}
                }
                raise.raise();
            });
            work(&either.stop(), since);
            drop(done);
        });
    }
}
