//! Follows one resource: a list in pages, then a watch from where the list ended, for ever.
//!
//! The rules are those of every well-behaved client: resource versions are opaque, a watch that
//! ends is resumed from the last version seen, a version that is too old means a new list, and
//! after every failure there is a jittered pause.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Status;
use super::{Backoff, Connection, KubeError, ListMeta, Pace, Pieces, Query, Text, read_list};
use crate::pipeline::Stop;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

/// Takes what is followed. Objects come as the server's JSON.
pub trait Sink {
    /// A list begins: what it does not name until it is completed is gone.
    fn list_started(&mut self);
    fn listed(&mut self, object: &[u8]);
    fn list_completed(&mut self);
    fn changed(&mut self, change: Change, object: &[u8]);
    /// The server does not serve the resource any more.
    fn vanished(&mut self);
    /// A try has failed; it will be repeated.
    fn failed(&mut self, error: &KubeError);
    /// Whether a new list is wanted although the watch goes well.
    fn wants_list(&mut self) -> bool {
        false
    }
    /// The version up to which everything has been handed out by now, after a list or a bookmark.
    fn reached(&mut self, version: &str) {
        let _ = version;
    }
    /// A version from which a watch is to begin, in place of a list or of where the watch is.
    /// Asked before each request.
    fn resume(&mut self) -> Option<String> {
        None
    }
    /// Whether the request under way was cut off so that [`Sink::resume`] is asked.
    fn wants_resume(&self) -> bool {
        false
    }
}

/// Numbers that tests make smaller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Objects per page.
    pub page: usize,
    /// How long the server keeps a watch open; the real time is up to twice as long, by chance.
    pub watch: Duration,
    /// Largest object, in bytes of JSON.
    pub largest_object: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { page: 500, watch: Duration::from_mins(5), largest_object: 16 << 20 }
    }
}

/// A watch shorter than this that brought nothing is a failure, not an end.
const SHORT_WATCH: Duration = Duration::from_secs(1);

/// Follows `query` until the connection is closed or `stop` is raised.
pub fn follow(
    connection: &Connection,
    query: &Query,
    settings: &Settings,
    pace: &dyn Pace,
    sink: &mut dyn Sink,
    stop: &Stop,
) {
    Follower {
        connection,
        query,
        settings,
        pace,
        sink,
        stop,
        backoff: Backoff::default(),
        last_cause: None,
        fresh: false,
        version: None,
    }
    .run();
}

struct Follower<'a> {
    connection: &'a Connection,
    query: &'a Query,
    settings: &'a Settings,
    pace: &'a dyn Pace,
    sink: &'a mut dyn Sink,
    stop: &'a Stop,
    backoff: Backoff,
    /// Kind of the failure that was logged last, until something works again.
    last_cause: Option<String>,
    /// The next list must be consistent, not from the server's cache.
    fresh: bool,
    /// Where a watch goes on; `None` when a list is due.
    version: Option<String>,
}

/// One event of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The version of an object, whatever its kind.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioned {
    metadata: ListMeta,
}

impl Follower<'_> {
    fn run(&mut self) {
        while !self.stop.is_raised() {
            if self.sink.wants_list() {
                self.version = None;
            }
            if let Some(version) = self.sink.resume() {
                self.version = Some(version);
            }
            let result = if self.version.is_none() { self.list() } else { self.watch() };
            if self.stop.is_raised() {
                return;
            }
            match result {
                Ok(()) => self.recovered(),
                Err(KubeError::Interrupted) => return,
                // The request was cut off by ourselves, to begin again.
                Err(_) if self.sink.wants_list() || self.sink.wants_resume() => {}
                Err(error) => {
                    if self.failed(&error) {
                        return;
                    }
                }
            }
        }
    }

    /// Lists all pages and notes where a watch may begin.
    fn list(&mut self) -> Result<(), KubeError> {
        self.sink.list_started();
        let limit = self.settings.page.to_string();
        // The first list may come from the server's cache; a cache does not know pages and then
        // answers with all of it, which is why items are taken as they arrive.
        let version = if self.fresh { "" } else { "0" };
        let mut next = String::new();
        loop {
            let url = if next.is_empty() {
                self.query.url(&[("limit", &limit), ("resourceVersion", version)])
            } else {
                self.query.url(&[("limit", &limit), ("continue", &next)])
            };
            let page = match self.page(&url) {
                Err(KubeError::Gone { .. }) if !next.is_empty() => {
                    // The list took longer than the server keeps old versions: all in one answer.
                    log::info!("{}: the list in pages has expired, listing all at once", self.query.url(&[]));
                    next.clear();
                    self.sink.list_started();
                    self.page(&self.query.url(&[("resourceVersion", "")]))
                }
                Err(KubeError::Status { code: 429, retry_after: Some(wait), .. }) => {
                    if self.pace.pause(wait, self.stop) {
                        return Err(KubeError::Interrupted);
                    }
                    continue;
                }
                page => page,
            };
            let page = page.map_err(|error| self.explain(error, "list"))?;
            next = page.next;
            if next.is_empty() {
                self.sink.list_completed();
                self.sink.reached(&page.resource_version);
                self.fresh = false;
                self.version = Some(page.resource_version);
                return Ok(());
            }
        }
    }

    fn page(&mut self, url: &str) -> Result<ListMeta, KubeError> {
        let response = self.connection.get(url, self.query.accept(true))?;
        let mut pieces = Pieces::new(response, self.settings.largest_object);
        let sink = &mut *self.sink;
        read_list(&mut pieces, |item| sink.listed(item)).map_err(|error| self.broken(url, &error))
    }

    /// Watches from the last version until the server ends it.
    fn watch(&mut self) -> Result<(), KubeError> {
        let started = self.pace.now();
        let seconds = self.settings.watch.mul_f64(1.0 + self.pace.random()).as_secs().max(1).to_string();
        let version = self.version.as_deref().unwrap_or_default();
        let url = self.query.url(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", &seconds),
            ("resourceVersion", version),
        ]);
        let response = self
            .connection
            .get(&url, self.query.accept(false))
            .map_err(|error| self.explain(error, "watch"))?;
        self.recovered();
        let mut pieces = Pieces::new(response, self.settings.largest_object);
        let mut events = 0_u64;
        loop {
            match pieces.next_value() {
                Ok(Some(piece)) => {
                    events += 1;
                    self.event(piece, &url)?;
                }
                Ok(None) if events == 0 && self.pace.now().duration_since(started) < SHORT_WATCH => {
                    return Err(KubeError::Transport {
                        target: self.connection.target(&url),
                        message: "the watch ended at once and without an event".to_owned(),
                    });
                }
                Ok(None) => return Ok(()),
                // Silence for too long, most likely a connection that is dead without saying so:
                // a new watch from the same version costs one request.
                Err(error) if timed_out(&error) && self.pace.now().duration_since(started) >= SHORT_WATCH => {
                    return Ok(());
                }
                Err(error) => return Err(self.broken(&url, &error)),
            }
        }
    }

    fn event(&mut self, piece: &[u8], url: &str) -> Result<(), KubeError> {
        let malformed =
            |message: String| KubeError::Malformed { target: self.connection.target(url), message };
        let event: Event =
            serde_json::from_slice(piece).map_err(|error| malformed(format!("bad watch event: {error}")))?;
        let object = event.object.get();
        let change = match &*event.kind {
            "ADDED" => Some(Change::Added),
            "MODIFIED" => Some(Change::Modified),
            "DELETED" => Some(Change::Deleted),
            "ERROR" => return Err(self.error_event(object, url)),
            // BOOKMARK, and whatever the future brings: only the version counts.
            _ => None,
        };
        let versioned: Versioned = serde_json::from_str(object)
            .map_err(|error| malformed(format!("bad object metadata: {error}")))?;
        let version = versioned.metadata.resource_version;
        match change {
            Some(change) => self.sink.changed(change, object.as_bytes()),
            None if !version.is_empty() => self.sink.reached(&version),
            None => {}
        }
        if !version.is_empty() {
            self.version = Some(version);
        }
        Ok(())
    }

    fn error_event(&self, object: &str, url: &str) -> KubeError {
        let target = self.connection.target(url);
        let status: Status = serde_json::from_str(object).unwrap_or_default();
        if status.code == 410 || status.reason == "Expired" || status.reason == "Gone" {
            return KubeError::Gone { target, message: status.message };
        }
        KubeError::Status { target, code: status.code, message: status.message, retry_after: None }
    }

    /// Acts on a failure: notes what must be done differently, and waits. True at a request to stop.
    fn failed(&mut self, error: &KubeError) -> bool {
        self.sink.failed(error);
        let wait = match error {
            KubeError::Gone { .. } => {
                self.version = None;
                self.fresh = true;
                self.backoff.next(self.pace)
            }
            KubeError::NotFound { .. } => {
                self.version = None;
                self.sink.vanished();
                Backoff::longest(self.pace)
            }
            error if error.is_lasting() => Backoff::longest(self.pace),
            // "Too large resource version": the server knows less than we do, after a restore.
            KubeError::Status { code: 504, .. } => {
                self.version = None;
                self.fresh = true;
                self.backoff.next(self.pace)
            }
            KubeError::Status { retry_after: Some(wait), .. } => *wait,
            // An event that cannot be read would come again: a list gets past it.
            KubeError::Malformed { .. } => {
                self.version = None;
                self.backoff.next(self.pace)
            }
            _ => self.backoff.next(self.pace),
        };
        let cause = error.cause();
        if self.last_cause.as_ref() != Some(&cause) {
            match error {
                KubeError::Gone { .. } => log::info!("{error}; listing anew"),
                _ => log::warn!("{error}; trying again until it works"),
            }
            self.last_cause = Some(cause);
        }
        self.pace.pause(wait, self.stop)
    }

    fn recovered(&mut self) {
        if self.last_cause.take().is_some() {
            log::info!("{}: works again", self.connection.target(&self.query.url(&[])));
        }
    }

    /// A refusal is told by the rule that is missing.
    fn explain(&self, error: KubeError, verb: &str) -> KubeError {
        match error {
            KubeError::Forbidden(message) => KubeError::forbidden(verb, self.query, &message),
            error => error,
        }
    }

    fn broken(&self, url: &str, error: &io::Error) -> KubeError {
        let target = self.connection.target(url);
        if error.kind() == io::ErrorKind::InvalidData {
            return KubeError::Malformed { target, message: error.to_string() };
        }
        KubeError::Transport { target, message: format!("the answer was cut off: {error}") }
    }
}

fn timed_out(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    matches!(inner, Some(ureq::Error::Timeout(_))) || error.kind() == io::ErrorKind::TimedOut
}
