//! The receiver's thread: waits for the kernel, acknowledgements and timers, and lets the engine
//! work.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver as Channel;

use crate::component::{Context, Receiver, RunError, Storage};
use crate::pipeline::{Outcome, Outputs, Stop};
use crate::telemetry::ComponentState;

use super::busy::{Busy, LOOK_EVERY};
use super::checkpoint::Checkpoint;
use super::engine::Engine;
use super::finder::Scope;
use super::handoff::{Acks, LAST_ACKS, Late, Now, Outlet, Pipe};
use super::plan::{Settings, lane_of};
use super::watch::{Changes, Watcher};

/// Between two passes over changed files, so that busy writers do not wake the thread per line. What
/// is written after a pause is read at once, so a line is on its way within this time.
const BREATH: Duration = LOOK_EVERY;
/// How long files are read before something else gets its turn.
const READ_AT_ONCE: Duration = Duration::from_millis(100);
/// Stat sweeps when the kernel reports all changes: a safety net.
const SWEEP: Duration = Duration::from_secs(30);
/// How often offsets are written.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// How often a request to stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(200);
/// The receiver, built.
pub struct FilelogReceiver {
    pub settings: Arc<Settings>,
    pub storage: Option<Arc<dyn Storage>>,
    pub context: Context,
}

impl Receiver for FilelogReceiver {
    fn counts_itself(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        self.run_with(Watcher::new(), outputs, stop)
    }
}

impl FilelogReceiver {
    /// Runs with a watcher that may see nothing.
    pub fn run_with(&self, watcher: Watcher, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Some(output) = outputs.logs else { return Ok(()) };
        let checkpoint = self.checkpoint();
        let id = self.context.id.to_string();
        let engine = Engine::new(Arc::clone(&self.settings), checkpoint, &self.context.telemetry, &id);
        let (port, acks) = Acks::new().map_err(|error| RunError(format!("no eventfd: {error}")))?;
        self.context.status.set(ComponentState::Running, "");
        let lane = lane_of("filelog", &self.context);
        let outlet = Pipe { output, acks: Arc::clone(&port), lane, stop: stop.clone() };
        let work = Work {
            settings: Arc::clone(&self.settings),
            engine,
            watcher,
            busy: Busy::default(),
            acks,
            port,
            outlet,
            stop,
            next_sweep: Instant::now(),
            next_checkpoint: Instant::now() + CHECKPOINT,
            keeps: self.storage.is_some(),
            swept: false,
            missed: false,
        };
        work.run();
        self.context.status.set(ComponentState::Stopped, "");
        Ok(())
    }

    fn checkpoint(&self) -> Checkpoint {
        let Some(storage) = &self.storage else { return Checkpoint::default() };
        let id = &self.context.id;
        let loaded = storage
            .client(&format!("receiver_{}_{}", id.kind, id.name.as_deref().unwrap_or_default()))
            .and_then(Checkpoint::load);
        loaded.unwrap_or_else(|error| {
            log::warn!("filelog: no offsets are kept ({error}): lines may be sent twice after a restart");
            Checkpoint::default()
        })
    }
}

struct Work {
    settings: Arc<Settings>,
    engine: Engine,
    watcher: Watcher,
    busy: Busy,
    acks: Channel<(u64, Outcome)>,
    port: Arc<Acks>,
    outlet: Pipe,
    stop: Stop,
    next_sweep: Instant,
    next_checkpoint: Instant,
    keeps: bool,
    /// Everything was looked at once.
    swept: bool,
    /// Something happened during a sweep: it is due again.
    missed: bool,
}

impl Work {
    fn run(mut self) {
        while !self.stop.is_raised() {
            self.settle();
            self.look();
            let worked = self.read();
            let now = Now::get();
            if now.instant >= self.next_checkpoint {
                self.engine.checkpoint.save();
                self.next_checkpoint = now.instant + CHECKPOINT;
            }
            if self.engine.can_read(now) {
                continue;
            }
            if worked {
                self.wait(now.instant + BREATH, false);
            }
            self.wait(self.wake_at(now), true);
        }
        self.end();
    }

    /// Scans what has changed, or everything when that is due.
    fn look(&mut self) {
        let changes = self.watcher.take();
        let now = Now::get();
        let sweep = std::mem::take(&mut self.missed) || changes.overflow || now.instant >= self.next_sweep;
        if sweep || !changes.directories.is_empty() {
            self.busy.leave_all(&mut self.engine, &mut self.watcher, now);
            let scope = if sweep { Scope::All } else { Scope::Directories(changes.directories) };
            let watcher = &mut self.watcher;
            self.engine.scan(&scope, now, &mut |directory| watcher.watch(directory));
        }
        let mut files = changes.files;
        if sweep {
            let unread = self.engine.take_unread();
            if self.swept && !changes.overflow && !self.watcher.is_blind() {
                let late = self.check_watcher(&unread, &files);
                self.missed = late.overflow || !late.directories.is_empty();
                files.extend(late.files);
            }
            self.swept = true;
            let seldom = SWEEP.max(self.settings.poll_interval);
            let period = if self.watcher.is_blind() { self.settings.poll_interval } else { seldom };
            self.next_sweep = now.instant + period;
        }
        for file in files {
            self.engine.written(&file, now);
        }
        for (directory, events) in &changes.busy {
            self.busy.enter(directory, *events, &self.engine, &mut self.watcher);
        }
        self.busy.look(&mut self.engine, &mut self.watcher, now);
    }

    /// Compares what a sweep has found with what the kernel reported: where it reports nothing,
    /// looking is the only way. Returns what happened during the sweep.
    fn check_watcher(&mut self, unread: &[PathBuf], reported: &HashSet<PathBuf>) -> Changes {
        let late = self.watcher.take();
        let is_known = |file: &PathBuf| {
            let moved = file.parent().is_some_and(|directory| late.directories.contains(directory));
            reported.contains(file) || late.files.contains(file) || moved || late.overflow
        };
        if let Some(silent) = unread.iter().find(|file| !is_known(file)) {
            log::warn!(
                "filelog: the kernel did not report that {} was written to: files are looked at every \
                 poll_interval",
                silent.display()
            );
            self.watcher.distrust();
        }
        late
    }

    /// Reads until nothing is left to read, or something else wants attention.
    fn read(&mut self) -> bool {
        let mut worked = false;
        let started = Instant::now();
        while self.engine.can_read(Now::get()) && !self.stop.is_raised() && started.elapsed() < READ_AT_ONCE {
            self.engine.turn(Now::get(), &mut self.outlet);
            self.settle();
            worked = true;
        }
        let now = Now::get();
        self.engine.tick(now);
        self.engine.flush(&mut self.outlet, self.engine.can_read(now));
        worked
    }

    fn settle(&mut self) {
        while let Ok((number, outcome)) = self.acks.try_recv() {
            self.engine.settle(number, outcome, Now::get());
        }
    }

    fn wake_at(&self, now: Now) -> Instant {
        let checkpoint = self.engine.checkpoint.is_changed().then_some(self.next_checkpoint);
        [Some(self.next_sweep), self.engine.deadline(), checkpoint, self.busy.next()]
            .into_iter()
            .flatten()
            .fold(now.instant + STOP_CHECK, Instant::min)
    }

    /// Waits for the kernel, an acknowledgement or the time.
    fn wait(&self, until: Instant, for_files: bool) {
        self.port.wait(until, self.watcher.fd().filter(|_| for_files));
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
            self.wait(deadline, false);
            self.settle();
        }
        self.engine.checkpoint.save();
        if self.keeps && !self.engine.is_settled() {
            let port = Arc::clone(&self.port);
            port.leave(|| {
                self.settle();
                self.engine.checkpoint.save();
                Box::new(self.engine)
            });
        }
    }
}

impl Late for Engine {
    fn settle(&mut self, number: u64, outcome: Outcome) {
        Self::settle(self, number, outcome, Now::get());
    }

    fn save(&mut self) {
        self.checkpoint.save();
    }
}

impl Engine {
    /// A file at that place was written to.
    pub fn written(&mut self, place: &Path, now: Now) {
        if let Some(id) = self.registry.at_place(place) {
            self.notice(id, now);
        }
    }

    /// Files that the last scan found unread bytes in, which nobody had said before.
    pub fn take_unread(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.unread)
    }

    /// Everything sent was acknowledged.
    pub fn is_settled(&self) -> bool {
        self.ledger.is_empty()
    }

    /// Hands on what operators hold back: nobody will read it again.
    pub fn release_held(&mut self, now: Now, outlet: &mut dyn Outlet) {
        self.chain.flush(now.instant, &mut self.outbox);
        self.flush(outlet, false);
    }
}
