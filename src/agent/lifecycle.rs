//! The agent as a process: start, wait for signals, reload, stop within a deadline.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::signals::Signal;
use crate::config::Loaded;
use crate::memory::{TIDY_EVERY, Tidying};
use crate::pipeline::{Change, Event, Graph, Leftover, StartError};
use crate::telemetry::{StatusBoard, Telemetry};

/// From the request to stop to the end of the process.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// How a run ended; the numbers are the exit codes of `kmagent run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Stopped by a signal, everything delivered or kept by its source.
    Clean,
    /// A component failed or panicked: the agent never runs on half-dead.
    ComponentFailed,
    /// The deadline passed with data undelivered.
    Undelivered,
    /// A second signal asked to leave at once.
    Forced,
}

impl Exit {
    pub fn code(self) -> i32 {
        match self {
            Self::Clean => 0,
            Self::ComponentFailed => 3,
            Self::Undelivered => 4,
            Self::Forced => 5,
        }
    }
}

/// Where a running agent gets its configurations from.
pub trait Configurations {
    /// The configuration as it is now, or why it is no good; a line for each reason.
    fn latest(&mut self) -> Result<Loaded, String>;
    /// The one in force once more.
    fn in_force(&self) -> Result<Loaded, String>;
    /// The latest one is in force from now on.
    fn accept(&mut self);
}

/// A started agent.
pub struct Agent {
    graph: Graph,
    pub telemetry: Telemetry,
    pub board: StatusBoard,
}

impl Agent {
    pub fn start(config: &Loaded) -> Result<Self, StartError> {
        let (telemetry, board) = (Telemetry::new(), StatusBoard::default());
        let started = Instant::now();
        let graph = Graph::start(config, &telemetry, &board)?;
        log::info!(
            "kmagent {} is ready after {:.1} ms: {} pipelines",
            env!("CARGO_PKG_VERSION"),
            started.elapsed().as_secs_f64() * 1e3,
            config.pipelines.len()
        );
        Ok(Self { graph, telemetry, board })
    }

    /// Runs until a signal asks to stop or a component fails; takes up the latest configuration when
    /// a signal asks for it. Keeps `memory` tidy meanwhile.
    pub fn run(
        mut self,
        signals: &Receiver<Signal>,
        configurations: &mut dyn Configurations,
        mut memory: Tidying,
    ) -> Exit {
        memory.tidy();
        let failed = loop {
            match self.wait(signals) {
                Wake::Signal(Signal::Reload) => {
                    // Requests that have piled up are one; one to stop among them ends it all.
                    let stop = signals.try_iter().find(|signal| *signal != Signal::Reload);
                    if let Some(Signal::Stop(name)) = stop {
                        say_stopping(name);
                        break false;
                    }
                    if !self.reload(configurations) {
                        break true;
                    }
                }
                Wake::Signal(Signal::Stop(name)) => {
                    say_stopping(name);
                    break false;
                }
                Wake::Idle => memory.tidy(),
                Wake::Ended(event) => {
                    if self.graph.note(&event) {
                        log::error!("stopping, since {} failed", event.component);
                        break true;
                    }
                }
            }
        };
        match self.stop(signals) {
            None => Exit::Forced,
            Some(_) if failed => Exit::ComponentFailed,
            Some(leftover) if leftover.items > 0 => Exit::Undelivered,
            Some(_) => Exit::Clean,
        }
    }

    /// Stops within the deadline, or returns `None` when another signal wants it sooner.
    fn stop(self, signals: &Receiver<Signal>) -> Option<Leftover> {
        let (report, stopped) = crossbeam_channel::bounded(1);
        let graph = self.graph;
        let deadline = Instant::now() + SHUTDOWN_DEADLINE;
        let stopper = std::thread::Builder::new()
            .name("shutdown".to_owned())
            .spawn(move || _ = report.send(graph.stop(deadline)));
        if let Err(error) = stopper {
            log::error!("cannot stop in order: {error}");
            return None;
        }
        loop {
            crossbeam_channel::select! {
                recv(stopped) -> leftover => {
                    let leftover = leftover.unwrap_or_default();
                    say_goodbye(leftover);
                    return Some(leftover);
                }
                recv(signals) -> signal => if let Ok(Signal::Stop(name)) = signal {
                    log::warn!("received {name} again: leaving at once, what is queued is not delivered");
                    return None;
                }
            }
        }
    }

    /// Puts the latest configuration in force, or leaves the old one there. Returns false when neither
    /// can be run any more.
    fn reload(&mut self, configurations: &mut dyn Configurations) -> bool {
        let refused = match configurations.latest() {
            Ok(config) => match self.graph.apply(&config) {
                Ok(change) => {
                    configurations.accept();
                    self.tell_reload(Ok(&change));
                    return true;
                }
                Err(error) => error.to_string(),
            },
            Err(refused) => {
                self.tell_reload(Err(&refused));
                return true;
            }
        };
        self.tell_reload(Err(&refused));
        let back = configurations
            .in_force()
            .and_then(|config| self.graph.apply(&config).map_err(|error| error.to_string()));
        if let Err(error) = &back {
            log::error!("the previous configuration cannot be run any more either: {error}");
        }
        back.is_ok()
    }

    fn tell_reload(&self, outcome: Result<&Change, &str>) {
        let result = if outcome.is_ok() { "applied" } else { "refused" };
        self.telemetry.counter("kmagent_config_reloads", &[("result", result)]).add(1);
        self.telemetry.gauge("kmagent_config_last_reload_successful", &[]).set(u64::from(outcome.is_ok()));
        match outcome {
            Ok(Change { started, removed, kept }) if started.is_empty() && removed.is_empty() => {
                log::info!("the configuration is the one in force: all {kept} components go on");
                self.board.set_configuration_error(None);
            }
            Ok(Change { started, removed, kept }) => {
                let removed = if removed.is_empty() {
                    String::new()
                } else {
                    format!("; removed {}", removed.join(", "))
                };
                let started = if started.is_empty() {
                    String::new()
                } else {
                    format!("; started {}", started.join(", "))
                };
                log::info!("a new configuration is in force: {kept} components go on{started}{removed}");
                self.board.set_configuration_in_force();
            }
            Err(error) => {
                for line in error.lines() {
                    log::error!("the running configuration stays in force: {line}");
                }
                self.board.set_configuration_error(Some(error.to_owned()));
            }
        }
    }

    /// Stops in order without listening to signals: for tests and `demo`.
    pub fn finish(self) -> Leftover {
        self.graph.stop(Instant::now() + SHUTDOWN_DEADLINE)
    }

    fn wait(&self, signals: &Receiver<Signal>) -> Wake {
        crossbeam_channel::select! {
            recv(signals) -> signal => signal.map_or(Wake::Signal(Signal::Stop("the end of signals")), Wake::Signal),
            recv(self.graph.receiver_ends()) -> event => Wake::ended(event),
            recv(self.graph.pipeline_ends()) -> event => Wake::ended(event),
            default(TIDY_EVERY) => Wake::Idle,
        }
    }
}

enum Wake {
    Signal(Signal),
    Ended(Event),
    /// Nothing for a while.
    Idle,
}

impl Wake {
    fn ended(event: Result<Event, crossbeam_channel::RecvError>) -> Self {
        // The graph keeps a sender of both channels.
        Self::Ended(event.expect("the graph owns a sender"))
    }
}

fn say_stopping(signal: &str) {
    log::info!("received {signal}: stopping, at most {} s", SHUTDOWN_DEADLINE.as_secs());
}

fn say_goodbye(leftover: Leftover) {
    match leftover {
        Leftover { items: 0, threads: 0 } => log::info!("stopped: everything was delivered"),
        Leftover { items, threads } => log::warn!(
            "stopped: {items} items were not delivered and {threads} threads had not ended; \
             files are read again from the last acknowledged line"
        ),
    }
}
