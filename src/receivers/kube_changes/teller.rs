//! The end of a watch: makes logs of changes and sends them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::known::{Gone, Known, Meta, Novelty};
use super::position::{Position, Saved};
use crate::component::Context;
use crate::kube::list_watch::{Change, Settings, Sink, follow};
use crate::kube::{Client, Connection, KubeError, Query, RealPace, Timeouts};
use crate::otlp::logs::ResourceLogs;
use crate::pipeline::{Batch, Data, Output, Stop};
use crate::telemetry::{ComponentState, Counter};

/// Makes logs of objects.
pub trait Convert: Send {
    /// The log of a change; `None` when nobody wants it.
    fn convert(&mut self, change: Change, object: &[u8]) -> Option<ResourceLogs>;
    /// Whether an object is told that was there before the receiver first looked.
    fn wants_initial(&self, object: &[u8]) -> bool;
    /// When something last happened to it, in seconds since the epoch.
    fn touched(&self, meta: &Meta<'_>, object: &[u8]) -> i64;
    /// The log of an object that was deleted while nobody looked.
    fn convert_gone(&mut self, namespace: &str, name: &str) -> Option<ResourceLogs> {
        let _ = (namespace, name);
        None
    }
    /// Whether [`Convert::convert_gone`] tells anything.
    const TELLS_GONE: bool;
}

/// Objects of a list that go in one batch, and their bytes as JSON.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 2 << 20;
/// After a refusal the pipelines get this long.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Tells the changes of one query.
pub struct Teller<C> {
    convert: C,
    known: Known,
    position: Arc<Position>,
    output: Output,
    stop: Stop,
    status: Context,
    dropped: Counter,
    pending: Vec<ResourceLogs>,
    pending_bytes: usize,
    /// Where to begin when nothing was saved.
    begin: Option<String>,
    /// How far the logs were when the list under way began.
    from: Option<Saved>,
    started: bool,
    relist: bool,
}

impl<C: Convert> Teller<C> {
    pub fn new(
        convert: C,
        position: Arc<Position>,
        begin: Option<String>,
        output: Output,
        stop: Stop,
        context: &Context,
    ) -> Self {
        let id = context.id.to_string();
        let labels = [("receiver", id.as_str()), ("reason", "unreadable_object")];
        Self {
            convert,
            known: Known::new(C::TELLS_GONE),
            position,
            output,
            stop,
            status: context.clone(),
            dropped: context.telemetry.counter("otelcol_receiver_failed_log_records", &labels),
            pending: Vec::new(),
            pending_bytes: 0,
            begin,
            from: None,
            started: false,
            relist: false,
        }
    }

    fn meta<'a>(&self, object: &'a [u8]) -> Option<Meta<'a>> {
        match Meta::read(object) {
            Ok(meta) => Some(meta),
            Err(error) => {
                self.dropped.add(1);
                log::warn!("{}: passing over an object that cannot be read: {error}", self.status.id);
                None
            }
        }
    }

    fn push(&mut self, logs: Option<ResourceLogs>, bytes: usize) {
        if let Some(logs) = logs {
            self.pending.push(logs);
            self.pending_bytes += bytes;
        }
        if self.pending.len() >= BATCH || self.pending_bytes >= BATCH_BYTES {
            self.send(None);
        }
    }

    /// Sends what is pending; with it everything up to `version` is told.
    fn send(&mut self, version: Option<&str>) {
        self.pending_bytes = 0;
        if self.pending.is_empty() {
            if let Some(version) = version {
                self.position.pass(version);
            }
            return;
        }
        let logs = std::mem::take(&mut self.pending);
        if self.stop.is_raised() {
            return;
        }
        let ack = self.position.depart(version);
        self.output.send(Batch::new(Data::Logs(logs), ack));
    }
}

impl<C: Convert> Sink for Teller<C> {
    fn list_started(&mut self) {
        self.from = self.position.committed();
        self.known.list_started();
    }

    fn listed(&mut self, object: &[u8]) {
        let Some(meta) = self.meta(object) else { return };
        let touched = self.convert.touched(&meta, object);
        let logs = match self.known.listed(&meta, touched, self.from.as_ref()) {
            Novelty::Old => None,
            Novelty::Initial if !self.convert.wants_initial(object) => None,
            Novelty::Initial => self.convert.convert(Change::Added, object),
            Novelty::New(change) => self.convert.convert(change, object),
        };
        self.push(logs, object.len());
    }

    fn list_completed(&mut self) {
        for Gone { namespace, name } in self.known.list_completed() {
            let logs = self.convert.convert_gone(&namespace, &name);
            self.push(logs, 0);
        }
        self.status.status.set(ComponentState::Running, "");
    }

    fn reached(&mut self, version: &str) {
        self.send(Some(version));
    }

    fn changed(&mut self, change: Change, object: &[u8]) {
        let Some(meta) = self.meta(object) else { return };
        self.known.changed(change, &meta);
        let logs = self.convert.convert(change, object);
        self.pending.extend(logs);
        self.send(Some(&meta.resource_version));
    }

    fn vanished(&mut self) {
        self.known.vanished();
    }

    fn failed(&mut self, error: &KubeError) {
        if !matches!(error, KubeError::Gone { .. }) {
            self.status.status.set(ComponentState::Degraded, error.to_string());
        }
    }

    fn wants_list(&mut self) -> bool {
        if !self.relist && self.position.must_rewind() && self.position.committed().is_none() {
            self.relist = true;
        }
        self.relist
    }

    fn wants_resume(&self) -> bool {
        self.position.must_rewind()
    }

    fn resume(&mut self) -> Option<String> {
        if !self.started {
            self.started = true;
            return self.position.committed().map(|saved| saved.version).or_else(|| self.begin.take());
        }
        if !self.position.rewind() {
            return None;
        }
        self.relist = false;
        self.pending.clear();
        self.known.forget();
        self.stop.wait(REFUSED_PAUSE);
        self.position.committed().map(|saved| saved.version)
    }
}

/// One query that is followed, and the end of its watch.
pub struct Followed<C> {
    pub query: Query,
    pub connection: Arc<Connection>,
    pub teller: Teller<C>,
}

/// A connection for a watch of its own.
pub fn connect(client: &Arc<Client>) -> Arc<Connection> {
    Arc::new(client.connect(Timeouts::default()))
}

/// Follows all queries, a thread each, until `stop` is raised.
pub fn follow_all<C: Convert>(all: Vec<Followed<C>>, stop: &Stop) -> io::Result<()> {
    let lines: Vec<_> = all.iter().map(|followed| followed.connection.clone()).collect();
    std::thread::scope(|scope| {
        for Followed { query, connection, mut teller } in all {
            let name = format!("kube/{}", query.resource.plural);
            let spawned = std::thread::Builder::new().name(name).spawn_scoped(scope, move || {
                follow(&connection, &query, &Settings::default(), &RealPace, &mut teller, stop);
            });
            if let Err(error) = spawned {
                lines.iter().for_each(|line| line.close());
                return Err(error);
            }
        }
        // Ends with an error when the request is raised: nothing is ever sent.
        let _ = stop.channel().recv();
        lines.iter().for_each(|line| line.close());
        Ok(())
    })
}
