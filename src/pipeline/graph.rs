//! The running agent: every component in use, joined by channels, and their orderly end.
//!
//! Ownership is the shutdown order: a pipeline ends when all who send into it are gone, so
//! stopping the receivers lets the pipelines run dry one after another; then the queues of the
//! exporters are closed and drained. A deadline bounds the whole.
//!
//! A new configuration changes what it must ([`Plan`]) and leaves the rest at work. What is sent to
//! a component that is being replaced waits at its [`Door`] or [`Relay`] for the successor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver as Events;

use super::builder::Builder;
use super::plan::{self, Plan};
use super::relay::Relay;
use super::threads::{Ended, Event, Threads};
use super::works::Entry;
use super::{Batch, ChannelReceiver, ChannelSender, Outcome, StopSource};
use crate::component::{BuildError, RunningExtension};
use crate::config::Loaded;
use crate::exporters::sending;
use crate::telemetry::{ComponentState, StatusBoard, StatusHandle, Telemetry};

/// After the deadline everybody is told to give up and gets this long to say what is left.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long a component that is replaced may take to end in order, one kind after another.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the graph could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{component}: {source}")]
pub struct StartError {
    /// Kind and id of the component.
    pub component: String,
    pub source: BuildError,
}

/// All components at work. They are called by kind and id: see [`super::plan`].
pub struct Graph {
    pub(super) telemetry: Telemetry,
    pub(super) board: StatusBoard,
    /// What is at work.
    pub(super) plan: Plan,
    pub(super) abort: StopSource,
    pub(super) receivers: Threads,
    pub(super) receiver_stops: BTreeMap<String, ReceiverStops>,
    /// Pipelines and connectors.
    pub(super) pipelines: Threads,
    pub(super) doors: BTreeMap<String, Door>,
    pub(super) exporters: BTreeMap<String, RunningNode>,
    pub(super) relays: BTreeMap<String, Arc<Relay>>,
    /// What exporters that were replaced have not delivered, for their successors.
    pub(super) orphans: BTreeMap<String, Vec<Batch>>,
    /// In the order of their start.
    pub(super) extensions: Vec<(String, Box<dyn RunningExtension>)>,
    pub(super) statuses: BTreeMap<String, StatusHandle>,
}

/// The requests that a receiver listens to.
pub(super) struct ReceiverStops {
    pub stop: StopSource,
    /// Ends its waits for room in a pipeline.
    pub give_up: StopSource,
}

/// The way into a pipeline or connector. It stays when the one behind it is replaced.
pub(super) struct Door {
    pub sender: ChannelSender,
    pub receiver: ChannelReceiver,
    /// The way in for receivers, when it leads into a pipeline.
    pub entry: Entry,
    /// Asks the one who reads now to make way for another.
    pub retire: StopSource,
}

/// An exporter at work.
pub(super) struct RunningNode {
    pub status: StatusHandle,
    pub exporter: sending::RunningExporter,
}

/// What a shutdown left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Items in queues that no backend took.
    pub items: usize,
    /// Threads that did not end in time.
    pub threads: usize,
}

/// What a new configuration changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Started, or started again with other settings.
    pub started: Vec<String>,
    /// Gone without a successor.
    pub removed: Vec<String>,
    /// Went on as if nothing had happened.
    pub kept: usize,
}

impl Graph {
    /// Builds and starts everything that `config` uses. On an error nothing keeps running.
    pub fn start(config: &Loaded, telemetry: &Telemetry, board: &StatusBoard) -> Result<Self, StartError> {
        let mut graph = Self {
            telemetry: telemetry.clone(),
            board: board.clone(),
            plan: Plan::default(),
            abort: StopSource::new(),
            receivers: Threads::new(),
            receiver_stops: BTreeMap::new(),
            pipelines: Threads::new(),
            doors: BTreeMap::new(),
            exporters: BTreeMap::new(),
            relays: BTreeMap::new(),
            orphans: BTreeMap::new(),
            extensions: Vec::new(),
            statuses: BTreeMap::new(),
        };
        match graph.apply(config) {
            Ok(_) => {
                board.set_ready(true);
                Ok(graph)
            }
            Err(error) => {
                graph.stop(Instant::now());
                Err(error)
            }
        }
    }

    /// Makes `config` the one in force: ends what it changes or does not know, starts what is new.
    /// Nothing that was taken is lost. After an error some nodes are missing; applying the previous
    /// configuration brings them back.
    pub fn apply(&mut self, config: &Loaded) -> Result<Change, StartError> {
        let plan = Plan::of(config);
        let stale: BTreeSet<String> =
            self.plan.nodes.keys().filter(|name| !self.plan.agrees(&plan, name)).cloned().collect();
        self.retire(&stale, &plan);
        let started: Vec<String> =
            plan.nodes.keys().filter(|name| !self.plan.nodes.contains_key(*name)).cloned().collect();
        let kept = plan.nodes.len() - started.len();
        Builder::new(config, plan, self).run()?;
        self.board.set_layout(|| plan::layout(config));
        self.refuse_orphans();
        let removed = stale.into_iter().filter(|name| !self.plan.nodes.contains_key(name)).collect();
        Ok(Change { started, removed, kept })
    }

    /// Ends the nodes called `stale`, from the sources to the ends, so that what they hold flows on.
    fn retire(&mut self, stale: &BTreeSet<String>, next: &Plan) {
        if stale.is_empty() {
            return;
        }
        self.retire_receivers(stale);
        for name in stale {
            let stays = next.nodes.contains_key(name);
            if let Some(door) = self.doors.get(name).filter(|_| stays) {
                door.retire.raise();
            } else {
                // Without a sender it ends when it has read all that was sent.
                self.doors.remove(name);
            }
        }
        let statuses = &self.statuses;
        let seen = |threads: &Threads, event: Event| _ = report(statuses, threads, &event);
        // One that waits for room behind it ends later, when there is room: nothing is lost.
        self.pipelines.join_some(|name| stale.contains(name), Instant::now() + PATIENCE, seen);
        for name in stale {
            if let Some(RunningNode { status, exporter }) = self.exporters.remove(name) {
                if let Some(relay) = self.relays.get(name) {
                    relay.detach();
                }
                let left = exporter.retire(Instant::now() + PATIENCE);
                self.orphans.entry(name.clone()).or_default().extend(left);
                status.set(ComponentState::Stopped, "");
            }
            if !next.nodes.contains_key(name) {
                self.relays.remove(name);
            }
        }
        // The last started first, as at shutdown.
        while let Some(at) = self.extensions.iter().rposition(|(name, _)| stale.contains(name)) {
            drop(self.extensions.remove(at));
        }
        for name in stale {
            self.plan.nodes.remove(name);
            self.forget(name);
        }
    }

    fn retire_receivers(&mut self, stale: &BTreeSet<String>) {
        let stops: Vec<ReceiverStops> =
            stale.iter().filter_map(|name| self.receiver_stops.remove(name)).collect();
        stops.iter().for_each(|stops| stops.stop.raise());
        let statuses = &self.statuses;
        let seen = |threads: &Threads, event: Event| _ = report(statuses, threads, &event);
        if self.receivers.join_some(|name| stale.contains(name), Instant::now() + PATIENCE, seen) > 0 {
            // It waits for room in a pipeline that is stuck: its source keeps the batch, or it is
            // counted as refused.
            stops.iter().for_each(|stops| stops.give_up.raise());
            self.receivers.join_some(|name| stale.contains(name), Instant::now() + PATIENCE, seen);
        }
    }

    /// Takes a node and the processors in it off the board.
    fn forget(&mut self, name: &str) {
        let processors = name.strip_prefix("pipeline:").map(|pipeline| format!(" in {pipeline}"));
        let board = &self.board;
        self.statuses.retain(|component, _| {
            let gone = component == name || processors.as_ref().is_some_and(|end| component.ends_with(end));
            if gone {
                board.remove(component);
            }
            !gone
        });
    }

    /// The backend of an exporter that is configured no more never took these.
    fn refuse_orphans(&mut self) {
        for (exporter, batches) in std::mem::take(&mut self.orphans) {
            let items: usize = batches.iter().map(Batch::items).sum();
            if items > 0 {
                log::warn!(
                    "{exporter} is gone from the configuration: {items} items that its backend did not take \
                     are given back to their sources"
                );
            }
            batches.into_iter().for_each(|batch| batch.ack.settle(Outcome::Refused));
        }
    }

    /// Ends of receivers: while the agent runs each one is a failure.
    pub fn receiver_ends(&self) -> &Events<Event> {
        self.receivers.ends()
    }

    /// Ends of pipelines and connectors: while the agent runs each one is a failure.
    pub fn pipeline_ends(&self) -> &Events<Event> {
        self.pipelines.ends()
    }

    /// An end was received from one of the channels. Returns whether it was a failure.
    pub fn note(&mut self, event: &Event) -> bool {
        let threads =
            if self.receivers.owns(&event.component) { &mut self.receivers } else { &mut self.pipelines };
        threads.note(event);
        report(&self.statuses, threads, event)
    }

    /// Stops receivers, drains pipelines, flushes exporters: all of it before `deadline`.
    pub fn stop(mut self, deadline: Instant) -> Leftover {
        self.board.set_ready(false);
        self.receiver_stops.values().for_each(|stops| stops.stop.raise());
        let statuses = std::mem::take(&mut self.statuses);
        let seen = |threads: &Threads, event: Event| _ = report(&statuses, threads, &event);
        // A thread that failed has left its channel without a reader: nobody may wait for room in it.
        let senders: Vec<ChannelSender> =
            std::mem::take(&mut self.doors).into_values().map(|door| door.sender).collect();
        let mut threads = self.receivers.join(deadline, seen);
        drop(senders);
        if threads == 0 {
            threads += self.pipelines.join(deadline, seen);
        }
        for node in self.exporters.values() {
            node.exporter.close();
        }
        let mut items = 0;
        for RunningNode { status, exporter } in std::mem::take(&mut self.exporters).into_values() {
            items += exporter.wait(deadline).items;
            status.set(ComponentState::Stopped, "");
        }
        self.abort.raise();
        self.receiver_stops.values().for_each(|stops| stops.give_up.raise());
        if threads > 0 {
            let last = Instant::now() + LAST_WORDS;
            threads = self.receivers.join(last, seen) + self.pipelines.join(last, seen);
        }
        self.refuse_orphans();
        while let Some(extension) = self.extensions.pop() {
            drop(extension);
        }
        Leftover { items, threads }
    }
}

/// Logs the end of a thread and puts it on the board. Returns whether it was a failure.
fn report(statuses: &BTreeMap<String, StatusHandle>, threads: &Threads, event: &Event) -> bool {
    let (state, detail, failed) = match &event.ended {
        Ended::Done => (ComponentState::Stopped, String::new(), false),
        Ended::Failed(error) => {
            log::error!("{} failed: {error}", event.component);
            (ComponentState::Failed, error.to_string(), true)
        }
        Ended::Panicked(message) => {
            log::error!("{} panicked, this is a bug: {message}", event.component);
            (ComponentState::Failed, format!("panicked: {message}"), true)
        }
    };
    // Its successor may be at work already.
    if let Some(status) = statuses.get(&event.component).filter(|_| failed || !threads.owns(&event.component))
    {
        status.set(state, detail);
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{
        Context, ExportError, Exporter, ExporterConfig, ExporterType, Receiver, ReceiverConfig, ReceiverType,
        RunError, decode_exporter, decode_receiver,
    };
    use crate::config::{self, Registry, Role, Source};
    use crate::exporters::Sending;
    use crate::pipeline::{Ack, Batch, Data, Outcome, Outputs, Signal, Stop};

    /// A receiver that ends as its config says.
    #[derive(Debug, serde::Deserialize)]
    struct Ending(String);

    impl ReceiverConfig for Ending {
        fn build(&self, _: Context) -> Result<Box<dyn Receiver>, BuildError> {
            Ok(Box::new(Self(self.0.clone())))
        }
    }

    impl Receiver for Ending {
        fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
            match self.0.as_str() {
                "panic" => std::panic::resume_unwind(Box::new("deliberate")),
                "fail" => Err(RunError("the device is gone".to_owned())),
                _ => {
                    let (told, outcome) = crossbeam_channel::bounded(1);
                    let ack = Ack::new(move |outcome| _ = told.send(outcome));
                    outputs.send(Data::Logs(Vec::new()), ack);
                    assert_eq!(outcome.recv(), Ok(Outcome::Delivered));
                    stop.wait(Duration::from_secs(60));
                    Ok(())
                }
            }
        }
    }

    #[derive(Debug, Default, serde::Deserialize)]
    struct Void;

    impl ExporterConfig for Void {
        fn sending(&self) -> Sending {
            Sending::default()
        }
        fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Exporter>, BuildError> {
            Ok(Box::new(Self))
        }
    }

    impl Exporter for Void {
        fn export(&self, _: &Batch, _: &Stop) -> Result<(), ExportError> {
            Ok(())
        }
    }

    static ENDING: ReceiverType = ReceiverType {
        name: "ending",
        aliases: &[],
        signals: &[Signal::Logs],
        decode: decode_receiver::<Ending>,
    };
    static VOID: ExporterType =
        ExporterType { name: "void", aliases: &[], signals: &Signal::ALL, decode: decode_exporter::<Void> };

    struct NoVariables;
    impl config::Variables for NoVariables {
        fn get(&self, _: &str) -> Option<&str> {
            None
        }
        fn is_secret(&self, _: &str) -> bool {
            false
        }
    }

    fn start(ending: &str) -> (Graph, StatusBoard) {
        let yaml = format!(
            "{{receivers: {{ending: {ending}}}, exporters: {{void: }}, service: {{pipelines: \
             {{logs: {{receivers: [ending], exporters: [void]}}}}}}}}"
        );
        let registry = Registry { receivers: &[&ENDING], exporters: &[&VOID], ..Registry::standard() };
        let config = config::load(&[Source::Yaml(yaml)], &NoVariables, &registry, Role::Daemonset)
            .unwrap_or_else(|found| panic!("{found:?}"));
        let board = StatusBoard::default();
        (Graph::start(&config, &Telemetry::new(), &board).unwrap(), board)
    }

    #[test]
    fn a_panic_or_failure_of_a_receiver_is_noticed_under_its_name() {
        for (ending, detail) in [("panic", "panicked: deliberate"), ("fail", "the device is gone")] {
            let (mut graph, board) = start(ending);
            let event = graph.receiver_ends().recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(event.component, "receiver:ending");
            assert!(graph.note(&event), "{ending} is a failure");
            let entry = &board.components()["receiver:ending"];
            assert_eq!((entry.state, entry.detail.as_str()), (ComponentState::Failed, detail));
            assert_eq!(graph.stop(Instant::now() + Duration::from_secs(5)), Leftover::default());
        }
    }

    #[test]
    fn an_idle_graph_is_ready_and_stops_at_once_with_every_component_on_the_board() {
        let (graph, board) = start("in order");
        assert!(board.ready_since().is_some());
        let started = Instant::now();
        assert_eq!(graph.stop(started + Duration::from_secs(30)), Leftover::default());
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(board.ready_since().is_none());
        let states: Vec<(String, ComponentState)> =
            board.components().into_iter().map(|(name, entry)| (name, entry.state)).collect();
        let stopped = |name: &str| (name.to_owned(), ComponentState::Stopped);
        assert_eq!(
            states,
            [stopped("exporter:void/logs"), stopped("pipeline:logs"), stopped("receiver:ending")]
        );
    }
}
