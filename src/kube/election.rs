//! Work that only the leader does, and receivers that work only while this process leads.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crossbeam_channel::{bounded, select};

use crate::component::{BuildError, Context, Election, Receiver, RunError};
use crate::config::ComponentId;
use crate::pipeline::{Outputs, Stop, StopSource};
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
    elected(elector, context, stop, |stop, since| {
        work(stop, since).map_err(|error| RunError(format!("cannot start a thread: {error}")))
    })
}

/// A receiver that knows nothing of elections: a new one is built for each time this process leads.
pub struct WhileLeading<B> {
    elector: ComponentId,
    context: Context,
    build: B,
    counts_itself: bool,
}

impl<B: Fn(Context) -> Result<Box<dyn Receiver>, BuildError> + Send> WhileLeading<B> {
    /// Fails as `build` does: what is wrong shows at the start, not when this process leads one day.
    pub fn new(elector: ComponentId, context: Context, build: B) -> Result<Self, BuildError> {
        let counts_itself = build(context.clone())?.counts_itself();
        Ok(Self { elector, context, build, counts_itself })
    }
}

impl<B: Fn(Context) -> Result<Box<dyn Receiver>, BuildError> + Send> Receiver for WhileLeading<B> {
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Self { elector, context, build, .. } = *self;
        elected(Some(&elector), &context, &stop, |stop, _| {
            let receiver = build(context.clone()).map_err(|error| RunError(error.to_string()))?;
            receiver.run(outputs.clone(), stop.clone())
        })
    }

    fn counts_itself(&self) -> bool {
        self.counts_itself
    }
}

fn elected(
    elector: Option<&ComponentId>,
    context: &Context,
    stop: &Stop,
    mut work: impl FnMut(&Stop, Option<SystemTime>) -> Result<(), RunError>,
) -> Result<(), RunError> {
    let result = match elector {
        None => work(stop, None),
        Some(id) => lead(&*election(id, context)?, stop, work),
    };
    context.status.set(ComponentState::Stopped, "");
    result
}

fn election(id: &ComponentId, context: &Context) -> Result<Arc<dyn Election>, RunError> {
    context.host.election(id).ok_or_else(|| {
        RunError(format!(
            "k8s_leader_elector: there is no extension \"{id}\" in service::extensions: add it there"
        ))
    })
}

/// Work that failed is not begun again: its failure is the end.
fn lead(
    election: &dyn Election,
    stop: &Stop,
    mut work: impl FnMut(&Stop, Option<SystemTime>) -> Result<(), RunError>,
) -> Result<(), RunError> {
    while let Some(lead) = election.lead(stop) {
        let mut result = Ok(());
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
        result?;
    }
    Ok(())
}
