//! Work that only the leader does.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crossbeam_channel::{bounded, select};

use crate::component::{Context, Election, RunError};
use crate::config::ComponentId;
use crate::pipeline::{Stop, StopSource};
use crate::telemetry::ComponentState;

/// The run of a receiver that may share its work with other replicas: `work` until `stop` is raised,
/// once without an `elector`, else once for each time this process leads. The request that `work` gets
/// is raised at the end of its lead too; besides it gets the time until which somebody has led before.
pub fn while_leading(
    elector: Option<&ComponentId>,
    context: &Context,
    stop: &Stop,
    mut work: impl FnMut(&Stop, Option<SystemTime>) -> io::Result<()>,
) -> Result<(), RunError> {
    let result = match elector {
        None => work(stop, None),
        Some(id) => lead(&*election(id, context)?, stop, work),
    };
    context.status.set(ComponentState::Stopped, "");
    result.map_err(|error| RunError(format!("cannot start a thread: {error}")))
}

fn election(id: &ComponentId, context: &Context) -> Result<Arc<dyn Election>, RunError> {
    context.host.election(id).ok_or_else(|| {
        RunError(format!(
            "k8s_leader_elector: there is no extension \"{id}\" in service::extensions: add it there"
        ))
    })
}

/// Returns how the last lead has ended.
fn lead(
    election: &dyn Election,
    stop: &Stop,
    mut work: impl FnMut(&Stop, Option<SystemTime>) -> io::Result<()>,
) -> io::Result<()> {
    let mut result = Ok(());
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
            result = work(&either.stop(), since);
            drop(done);
        });
    }
    result
}
