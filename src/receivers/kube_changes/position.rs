//! How far the logs are: the version up to which the pipelines have taken everything.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::component::{BuildError, Context, StorageClient};
use crate::config::ComponentId;
use crate::pipeline::{Ack, Outcome};

/// A version, and when it was current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub version: String,
    /// Seconds since the epoch.
    pub time: i64,
}

/// The positions of a receiver behind a storage extension; without one they are kept in memory.
#[derive(Clone, Default)]
pub struct Bookmarks {
    client: Option<Arc<Mutex<Box<dyn StorageClient>>>>,
}

/// While batches are under way positions are not written more often.
const WRITE_EVERY: Duration = Duration::from_millis(200);

impl Bookmarks {
    /// The store of a component in the extension that its config names.
    pub fn open(storage: Option<&ComponentId>, context: &Context) -> Result<Self, BuildError> {
        let Some(id) = storage else { return Ok(Self::default()) };
        let storage = context.host.storage(id).ok_or_else(|| {
            BuildError::new(format!(
                "storage: there is no storage extension \"{id}\" in service::extensions: add it there"
            ))
        })?;
        let owner = format!("receiver_{}", context.id);
        let client = storage.client(&owner).map_err(|error| BuildError::new(format!("storage: {error}")))?;
        Ok(Self { client: Some(Arc::new(Mutex::new(client))) })
    }

    /// The position of one watch, unless others have gone on from there until `since`; `cut` ends
    /// its request when it has to go back.
    pub fn position(
        &self,
        key: String,
        since: Option<SystemTime>,
        cut: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Position> {
        let saved = self.client.as_ref().and_then(|client| {
            let bytes = lock(client).get(&key).unwrap_or_else(|error| {
                log::warn!("the position of {key} cannot be read ({error}): starting without");
                None
            })?;
            serde_json::from_slice::<Saved>(&bytes)
                .map_err(|error| {
                    log::warn!("the position of {key} cannot be read ({error}): starting without")
                })
                .ok()
        });
        let saved = saved.filter(|saved| since.is_none_or(|since| saved.time >= seconds(since)));
        Arc::new(Position {
            bookmarks: self.clone(),
            key,
            cut: Box::new(cut),
            state: Mutex::new(State { committed: saved.clone(), written: saved, ..State::default() }),
        })
    }
}

/// How far one watch is.
pub struct Position {
    bookmarks: Bookmarks,
    key: String,
    cut: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flights: VecDeque<Flight>,
    /// Of the first flight in the queue.
    first: u64,
    /// Flights of an earlier turn are forgotten.
    turn: u64,
    committed: Option<Saved>,
    written: Option<Saved>,
    wrote: Option<Instant>,
    failing: bool,
    /// A batch was refused: what came after the committed version is to be told again.
    rewind: bool,
}

/// A batch on its way, or a version that was passed without one.
struct Flight {
    settled: bool,
    /// Where the logs are once this and all before it have settled; `None` inside a list.
    saved: Option<Saved>,
}

impl Position {
    /// The version up to which everything was taken.
    pub fn committed(&self) -> Option<Saved> {
        self.lock().committed.clone()
    }

    /// A batch leaves that ends at `version`, or inside a list.
    pub fn depart(self: &Arc<Self>, version: Option<&str>) -> Ack {
        let mut state = self.lock();
        let number = state.first + state.flights.len() as u64;
        let turn = state.turn;
        state.flights.push_back(Flight { settled: false, saved: version.map(now_at) });
        let position = self.clone();
        Ack::new(move |outcome| position.settle(turn, number, outcome))
    }

    /// Everything up to `version` has been handed out.
    pub fn pass(&self, version: &str) {
        let mut state = self.lock();
        state.flights.push_back(Flight { settled: true, saved: Some(now_at(version)) });
        self.advance(&mut state);
    }

    /// Whether a refusal makes it necessary to go back.
    pub fn must_rewind(&self) -> bool {
        self.lock().rewind
    }

    /// Goes back to the committed version, if that is necessary.
    pub fn rewind(&self) -> bool {
        std::mem::take(&mut self.lock().rewind)
    }

    fn settle(&self, turn: u64, number: u64, outcome: Outcome) {
        let mut state = self.lock();
        if turn != state.turn {
            return;
        }
        if outcome == Outcome::Refused {
            state.first += state.flights.len() as u64;
            state.flights.clear();
            state.turn += 1;
            state.rewind = true;
            drop(state);
            (self.cut)();
            return;
        }
        let at = number.checked_sub(state.first).and_then(|at| usize::try_from(at).ok());
        if let Some(flight) = at.and_then(|at| state.flights.get_mut(at)) {
            flight.settled = true;
        }
        self.advance(&mut state);
    }

    fn advance(&self, state: &mut State) {
        while state.flights.front().is_some_and(|flight| flight.settled) {
            state.first += 1;
            if let Some(saved) = state.flights.pop_front().and_then(|flight| flight.saved) {
                state.committed = Some(saved);
            }
        }
        let is_due =
            state.flights.is_empty() || state.wrote.is_none_or(|wrote| wrote.elapsed() >= WRITE_EVERY);
        if state.committed == state.written || !is_due {
            return;
        }
        let (Some(client), Some(saved)) = (&self.bookmarks.client, &state.committed) else { return };
        let json = serde_json::to_vec(saved).unwrap_or_default();
        match lock(client).set(&self.key, &json) {
            Ok(()) => {
                state.written = state.committed.clone();
                state.failing = false;
            }
            Err(error) if !state.failing => {
                state.failing = true;
                log::error!(
                    "the position of {} cannot be written, so changes may be told twice after a restart; make \
                     the storage directory writable: {error}",
                    self.key
                );
            }
            Err(_) => {}
        }
        state.wrote = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_at(version: &str) -> Saved {
    Saved { version: version.to_owned(), time: seconds(SystemTime::now()) }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(position: &Position) -> Option<String> {
        position.committed().map(|saved| saved.version)
    }

    #[test]
    fn the_version_of_a_batch_counts_when_all_before_it_were_taken() {
        let position = Bookmarks::default().position("a".to_owned(), None, || {});
        let (one, two) = (position.depart(Some("1")), position.depart(Some("2")));
        position.pass("3");
        two.settle(Outcome::Delivered);
        assert_eq!(version(&position), None);
        one.settle(Outcome::Dropped);
        assert_eq!(version(&position).as_deref(), Some("3"));
        let inside_a_list = position.depart(None);
        inside_a_list.settle(Outcome::Delivered);
        assert_eq!(version(&position).as_deref(), Some("3"));
    }

    #[test]
    fn a_refused_batch_leads_back_to_what_was_taken() {
        let position = Bookmarks::default().position("a".to_owned(), None, || {});
        position.depart(Some("1")).settle(Outcome::Delivered);
        let (refused, later) = (position.depart(Some("2")), position.depart(Some("3")));
        refused.settle(Outcome::Refused);
        later.settle(Outcome::Delivered);
        assert_eq!(version(&position).as_deref(), Some("1"));
        assert!(position.must_rewind() && position.rewind() && !position.rewind());
        position.depart(Some("2")).settle(Outcome::Delivered);
        assert_eq!(version(&position).as_deref(), Some("2"));
    }
}
