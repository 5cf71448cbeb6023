//! What each component is doing, for the health endpoints.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::Layout;

/// The state of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentState {
    Starting,
    Running,
    /// Works on, but something is wrong that may mend itself (a backend that is down).
    Degraded,
    Stopped,
    Failed,
}

impl ComponentState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// One line of the board.
#[derive(Clone, Debug)]
pub struct Entry {
    pub state: ComponentState,
    pub since: SystemTime,
    /// Why, when there is something to say.
    pub detail: String,
}

/// The state of every component and of the agent as a whole. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    ready_since: Option<SystemTime>,
    configuration: Configuration,
    components: BTreeMap<String, Entry>,
    /// Whether somebody wants the layout.
    is_drawn: bool,
    layout: Arc<Layout>,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub since: SystemTime,
    /// Why a later one was refused.
    pub error: Option<String>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { since: SystemTime::now(), error: None }
    }
}

/// Lets one component report its state.
#[derive(Clone, Debug)]
pub struct StatusHandle {
    board: StatusBoard,
    component: Arc<str>,
}

impl StatusBoard {
    /// `component` is its kind and id: `receiver:hostmetrics`.
    pub fn handle(&self, component: &str) -> StatusHandle {
        let handle = StatusHandle { board: self.clone(), component: component.into() };
        handle.set(ComponentState::Starting, "");
        handle
    }

    /// Every pipeline runs (true), or the agent stops or never came up (false).
    pub fn set_ready(&self, ready: bool) {
        let mut inner = self.lock();
        match (ready, inner.ready_since) {
            (true, None) => inner.ready_since = Some(SystemTime::now()),
            (false, Some(_)) => inner.ready_since = None,
            _ => {}
        }
    }

    /// Since when the agent has been ready, if it is.
    pub fn ready_since(&self) -> Option<SystemTime> {
        self.lock().ready_since
    }

    /// Another configuration is in force from now on.
    pub fn set_configuration_in_force(&self) {
        self.lock().configuration = Configuration::default();
    }

    /// A later configuration was refused, or is no longer there to be refused.
    pub fn set_configuration_error(&self, error: Option<String>) {
        self.lock().configuration.error = error;
    }

    pub fn configuration(&self) -> Configuration {
        self.lock().configuration.clone()
    }

    /// From now on the layout is kept up to date, for those who draw it.
    pub fn draw(&self) {
        self.lock().is_drawn = true;
    }

    /// What is at work now; made only when somebody draws it.
    pub fn set_layout(&self, make: impl FnOnce() -> Layout) {
        if self.lock().is_drawn {
            let layout = Arc::new(make());
            self.lock().layout = layout;
        }
    }

    pub fn layout(&self) -> Arc<Layout> {
        self.lock().layout.clone()
    }

    /// The component is no more.
    pub fn remove(&self, component: &str) {
        self.lock().components.remove(component);
    }

    pub fn components(&self) -> BTreeMap<String, Entry> {
        self.lock().components.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusHandle {
    /// Reports a state; `since` moves only when the state changes.
    pub fn set(&self, state: ComponentState, detail: impl Into<String>) {
        let mut inner = self.board.lock();
        let entry = inner.components.entry(self.component.to_string()).or_insert_with(|| Entry {
            state,
            since: SystemTime::now(),
            detail: String::new(),
        });
        if entry.state != state {
            entry.state = state;
            entry.since = SystemTime::now();
        }
        entry.detail = detail.into();
    }
}
