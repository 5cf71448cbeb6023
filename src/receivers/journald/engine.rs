//! The work of the receiver, step by step, in one thread and without a clock of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::component::StorageClient;
use crate::pipeline::Outcome;
use crate::telemetry::{Causes, Telemetry};

use super::super::filelog::entry::{Entry, Source};
use super::super::filelog::handoff::{Late, Now, Outlet};
use super::super::filelog::ledger::{Ledger, Mark, Settled};
use super::super::filelog::operators::Chain;
use super::super::filelog::outbox::Outbox;
use super::file::{Field, FileError};
use super::filter::Filter;
use super::journal::{self, Journal};
use super::meters::Meters;
use super::plan::Settings;
use super::position::{Point, Positions, parse_id};
use super::record;
use super::trail::Trail;

/// The journal is one source of records.
const SOURCE: u64 = 1;
/// Entries of one turn.
const TURN: usize = 1000;
/// Bytes sent and not acknowledged, before reading pauses.
const IN_FLIGHT: usize = 8 << 20;
/// Key of the position in the storage.
const CURSORS: &str = "cursors";

pub struct Engine {
    settings: Arc<Settings>,
    journal: Journal,
    filter: Filter,
    chain: Chain,
    outbox: Outbox,
    ledger: Ledger,
    trail: Trail,
    source: Arc<Source>,
    store: Option<Box<dyn StorageClient>>,
    /// The position changed since it was saved.
    dirty: bool,
    failing: bool,
    meters: Meters,
    causes: Causes<String>,
    fields: Vec<Arc<Field>>,
    started: bool,
    restored: bool,
    pause: Option<Instant>,
    backoff: Duration,
    closed: bool,
}

impl Engine {
    pub fn new(
        settings: Arc<Settings>,
        store: Option<Box<dyn StorageClient>>,
        telemetry: &Telemetry,
        receiver: &str,
    ) -> Self {
        let saved = load(store.as_deref());
        let position = saved.clone().unwrap_or_default();
        let mut chain = settings.shaping.operators.build();
        chain.count(telemetry, receiver);
        let mut ledger = Ledger::default();
        ledger.start(SOURCE, Mark::default());
        Self {
            journal: Journal::new(settings.places(), position.clone()),
            filter: settings.filter.clone(),
            chain,
            outbox: Outbox::default(),
            ledger,
            trail: Trail::new(position),
            source: settings.shaping.source(SOURCE, String::new(), Vec::new()),
            store,
            dirty: false,
            failing: false,
            meters: Meters::new(telemetry, receiver),
            causes: Causes::new(),
            fields: Vec::new(),
            started: false,
            restored: saved.is_some(),
            pause: None,
            backoff: settings.retry.0,
            closed: false,
            settings,
        }
    }

    /// Looks for new entries. Calls `enter` for every directory with files.
    pub fn look(&mut self, enter: &mut dyn FnMut(&Path)) {
        let any = self.journal.begin_round(enter);
        if !std::mem::replace(&mut self.started, true) {
            self.start(any);
            // Files have to be known before it can be told up to where they are read.
            self.journal.begin_round(enter);
        }
        self.meters.open_files.set(self.journal.open_files());
    }

    fn start(&mut self, any: bool) {
        if !any {
            log::warn!(
                "journald: there is no journal file in {}: waiting for one (is the directory mounted?)",
                self.journal.places().describe()
            );
        }
        if self.settings.from_end && !self.restored {
            self.trail = Trail::new(self.journal.skip_to_end().clone());
            self.dirty = true;
        }
        if self.settings.dmesg {
            let this = || parse_id(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?);
            let boot = if self.settings.reads_this_machine() { this() } else { self.journal.last_boot() };
            self.filter.boot = boot;
        }
    }

    /// Whether a turn makes sense now.
    pub fn can_read(&self, now: Now) -> bool {
        !self.closed && self.ledger.bytes() < IN_FLIGHT && self.pause.is_none_or(|until| until <= now.instant)
    }

    /// Reads some entries; false when there are no more in this round.
    pub fn turn(&mut self, now: Now, outlet: &mut dyn Outlet) -> bool {
        for _ in 0..TURN {
            let Some(entry) = self.journal.next() else { return false };
            self.take(&entry, now);
            if self.outbox.is_full() {
                self.flush(outlet, true);
                if self.closed {
                    return false;
                }
            }
        }
        true
    }

    fn take(&mut self, entry: &journal::Entry, now: Now) {
        self.fields.clear();
        let mut fields = std::mem::take(&mut self.fields);
        match self.journal.fields(entry, &mut fields) {
            Ok(0) => {}
            Ok(lost) => self.damaged(entry, lost, &FileError::Bad("a field cannot be read")),
            Err(error) => self.damaged(entry, 1, &error),
        }
        let wanted = self.filter.wants(&entry.head, &fields);
        let number = self.trail.next();
        self.trail.push(entry.seqnum_id, Point::from(&entry.head), wanted);
        if wanted {
            let (body, cut) = record::body(entry, &fields, self.settings.form);
            if cut > 0 {
                self.meters.truncated.add(cut);
            }
            let mut record = Entry::new(&self.source, number, now.wall, body);
            record.timestamp = entry.head.realtime.saturating_mul(1000);
            self.settings.shaping.templates.apply(&mut record);
            self.chain.process(record, now.instant, &mut self.outbox);
        }
        self.fields = fields;
    }

    fn damaged(&mut self, entry: &journal::Entry, count: u64, error: &FileError) {
        self.meters.damaged.add(count);
        let path = self.journal.path(entry);
        if self.causes.is_new(format!("{}: {error}", path.display())) {
            log::warn!("journald: {}: {error} (further ones are counted, not logged)", path.display());
        }
    }

    /// Hands on what is collected, while there is `more` to read or not.
    pub fn flush(&mut self, outlet: &mut dyn Outlet, more: bool) {
        let next = self.trail.next();
        let mut upto = next;
        self.chain.held(&mut |origin| upto = upto.min(origin.start));
        let mark = |offset| Mark { offset, ..Mark::default() };
        self.outbox.take_files();
        let Some(parcel) = self.outbox.take() else {
            // Entries that nobody wanted are committed with the next batch, or when none is on its way.
            let committed = self.ledger.progress(SOURCE).map_or(0, |progress| progress.committed.offset);
            if self.ledger.is_empty() && upto > committed {
                self.ledger.skip([(SOURCE, mark(upto))]);
                let settled = self.ledger.settle_ready();
                self.apply(settled, None);
            }
            return;
        };
        let number = self.ledger.next_number();
        self.ledger.send(parcel.bytes, [(SOURCE, mark(upto))]);
        self.meters.accepted.add(parcel.records as u64);
        self.closed |= !outlet.send(parcel, number, more);
    }

    /// Takes the outcome of a batch.
    pub fn settle(&mut self, number: u64, outcome: Outcome, now: Now) {
        let settled = self.ledger.settle(number, outcome);
        self.apply(settled, Some(now));
    }

    fn apply(&mut self, settled: Settled, now: Option<Now>) {
        if !settled.committed.is_empty()
            && let Some(progress) = self.ledger.progress(SOURCE)
        {
            self.trail.commit(progress.committed.offset);
            self.dirty = true;
            self.backoff = self.settings.retry.0;
        }
        for (_, to) in settled.rewound {
            self.meters.refused.add(self.trail.next().saturating_sub(to.offset));
            let position = self.trail.rewind(to.offset);
            self.journal.rewind(position);
            self.chain.rewind(SOURCE, &mut |_| ());
            self.outbox.discard(SOURCE, &mut |_| ());
            if let Some(now) = now {
                self.pause = Some(now.instant + self.backoff);
                self.backoff = (self.backoff * 2).min(self.settings.retry.1);
            }
        }
    }

    /// Does what is due by the clock, and sends what is ready.
    pub fn tick(&mut self, now: Now, outlet: &mut dyn Outlet) {
        self.chain.tick(now.instant, &mut self.outbox);
        self.flush(outlet, false);
        if self.trail.is_empty() {
            self.journal.close_finished();
        }
    }

    /// When [`Engine::tick`] or a turn is due.
    pub fn deadline(&self) -> Option<Instant> {
        [self.chain.deadline(), self.pause].into_iter().flatten().min()
    }

    /// A pause is over.
    pub fn end_pause(&mut self, now: Now) {
        self.pause = self.pause.filter(|until| *until > now.instant);
    }

    /// Hands on what operators hold back: nobody will read it again.
    pub fn release_held(&mut self, now: Now, outlet: &mut dyn Outlet) {
        self.chain.flush(now.instant, &mut self.outbox);
        self.flush(outlet, false);
    }

    /// Everything sent was acknowledged.
    pub fn is_settled(&self) -> bool {
        self.ledger.is_empty()
    }

    pub fn is_dirty(&self) -> bool {
        self.dirty && self.store.is_some()
    }

    /// Makes the position durable. On an error the agent goes on and tries again next time.
    pub fn save_position(&mut self) {
        let Some(store) = &mut self.store else { return };
        if !self.dirty {
            return;
        }
        let journal = &self.journal;
        if !self.trail.committed().is_within(64) {
            self.trail.committed_mut().retain(|id| journal.has(id));
        }
        let cursors = serde_json::to_vec(&self.trail.committed().save()).unwrap_or_default();
        match store.set(CURSORS, &cursors) {
            Ok(()) => (self.dirty, self.failing) = (false, false),
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::warn!(
                        "journald: the position cannot be saved ({error}): the agent goes on, but entries may \
                         be sent twice after a restart; make the storage directory writable"
                    );
                }
            }
        }
    }
}

impl Late for Engine {
    fn settle(&mut self, number: u64, outcome: Outcome) {
        Self::settle(self, number, outcome, Now::get());
    }

    fn save(&mut self) {
        self.save_position();
    }
}

/// The saved position; `None` when there is none.
fn load(store: Option<&dyn StorageClient>) -> Option<Positions> {
    let saved = store?.get(CURSORS).unwrap_or_else(|error| {
        log::warn!("journald: the position cannot be read ({error}): starting without");
        None
    })?;
    let cursors: Vec<String> = serde_json::from_slice(&saved)
        .inspect_err(|error| log::warn!("journald: the position cannot be read ({error}): starting without"))
        .ok()?;
    Some(Positions::load(&cursors))
}
