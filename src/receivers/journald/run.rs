//! The receiver's thread: waits for the kernel, acknowledgements and timers, and lets the engine
//! work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver as Channel;

use crate::component::{Context, Receiver, RunError, Storage, StorageClient};
use crate::pipeline::{Outcome, Outputs, Stop};
use crate::telemetry::ComponentState;

use super::super::filelog::handoff::{Acks, LAST_ACKS, Late, Now, Pipe};
use super::super::filelog::plan::lane_of;
use super::super::filelog::watch::Watcher;
use super::engine::Engine;
use super::plan::Settings;

/// Between two rounds, so that a busy journal does not wake the thread per entry.
const BREATH: Duration = Duration::from_millis(50);
/// Rounds without a word of the kernel: journald writes through memory and tells of it now and
/// then. A round reads the headers of a few files.
const ROUND: Duration = Duration::from_secs(1);
/// How often the position is written.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// How often a request to stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(200);

/// The receiver, built.
pub struct JournaldReceiver {
    pub settings: Arc<Settings>,
    pub storage: Option<Arc<dyn Storage>>,
    pub context: Context,
}

impl Receiver for JournaldReceiver {
    fn counts_itself(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Some(output) = outputs.logs else { return Ok(()) };
        let id = self.context.id.to_string();
        let engine = Engine::new(self.settings.clone(), self.store(), &self.context.telemetry, &id);
        let (acks, outcomes) = Acks::new().map_err(|error| RunError(format!("no eventfd: {error}")))?;
        let lane = lane_of("journald", &self.context);
        let outlet = Pipe { output, acks: Arc::clone(&acks), lane, stop: stop.clone() };
        self.context.status.set(ComponentState::Running, "");
        let keeps = self.storage.is_some();
        Work { engine, watcher: Watcher::new(), acks, outcomes, outlet, stop, keeps }.run();
        self.context.status.set(ComponentState::Stopped, "");
        Ok(())
    }
}

impl JournaldReceiver {
    fn store(&self) -> Option<Box<dyn StorageClient>> {
        let id = &self.context.id;
        let owner = format!("receiver_{}_{}", id.kind, id.name.as_deref().unwrap_or_default());
        self.storage
            .as_ref()?
            .client(&owner)
            .inspect_err(|error| {
                log::warn!("journald: no position is kept ({error}): entries may be missed or sent twice after a restart");
            })
            .ok()
    }
}

struct Work {
    engine: Engine,
    watcher: Watcher,
    acks: Arc<Acks>,
    outcomes: Channel<(u64, Outcome)>,
    outlet: Pipe,
    stop: Stop,
    keeps: bool,
}

impl Work {
    fn run(mut self) {
        let mut next_round = Instant::now();
        let mut next_checkpoint = Instant::now() + CHECKPOINT;
        let mut behind = false;
        while !self.stop.is_raised() {
            self.settle();
            let now = Now::get();
            self.engine.end_pause(now);
            let changes = self.watcher.take();
            let told = changes.overflow || !changes.files.is_empty() || !changes.directories.is_empty();
            if !behind && (told || now.instant >= next_round) {
                let watcher = &mut self.watcher;
                self.engine.look(&mut |directory| watcher.watch(directory));
                next_round = now.instant + ROUND;
                behind = true;
            }
            if behind && self.engine.can_read(now) {
                behind = self.engine.turn(now, &mut self.outlet);
            }
            self.engine.tick(now, &mut self.outlet);
            if now.instant >= next_checkpoint {
                self.engine.save_position();
                next_checkpoint = now.instant + CHECKPOINT;
            }
            if behind && self.engine.can_read(Now::get()) {
                continue;
            }
            if told {
                self.acks.wait(now.instant + BREATH, None);
            }
            let checkpoint = self.engine.is_dirty().then_some(next_checkpoint);
            let due = [Some(next_round), self.engine.deadline(), checkpoint].into_iter().flatten();
            self.acks.wait(due.fold(now.instant + STOP_CHECK, Instant::min), self.watcher.fd());
        }
        self.end();
    }

    fn settle(&mut self) {
        while let Ok((number, outcome)) = self.outcomes.try_recv() {
            self.engine.settle(number, outcome, Now::get());
        }
    }

    /// Sends what can be sent, waits for acknowledgements a little, and leaves the rest to whoever
    /// settles them.
    fn end(mut self) {
        if !self.keeps {
            self.engine.release_held(Now::get(), &mut self.outlet);
        }
        self.engine.flush(&mut self.outlet, false);
        let deadline = Instant::now() + LAST_ACKS;
        while !self.engine.is_settled() && Instant::now() < deadline {
            self.acks.wait(deadline, None);
            self.settle();
        }
        self.engine.save_position();
        if self.keeps && !self.engine.is_settled() {
            let acks = Arc::clone(&self.acks);
            acks.leave(|| {
                self.settle();
                self.engine.save();
                Box::new(self.engine)
            });
        }
    }
}
