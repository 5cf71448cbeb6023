//! The running agent: every component in use, joined by channels, and their orderly end.
//!
//! Ownership is the shutdown order: a pipeline ends when all who send into it are gone, so
//! stopping the receivers lets the pipelines run dry one after another; then the queues of the
//! exporters are closed and drained. A deadline bounds the whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver as Events;

use super::chain;
use super::connectors;
use super::threads::{Ended, Event, Threads};
use super::{ChannelReceiver, Consumer, Limits, Output, Outputs, Signal, Stop, StopSource, channel};
use crate::component::{
    BuildError, ConnectorOutputs, Context, Extension, Host, NoHost, Processor, RunningExtension, Storage,
};
use crate::config::{Component, ComponentId, Loaded, Pipeline};
use crate::exporters::sending;
use crate::telemetry::{ComponentState, StatusBoard, StatusHandle, Telemetry};

/// Room between a receiver and its pipeline: enough to keep both busy, little enough that what a
/// slow backend holds up stays small.
const CHANNEL: Limits = Limits { batches: 32, bytes: 4 << 20 };

/// After the deadline everybody is told to give up and gets this long to say what is left.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why the graph could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{component}: {source}")]
pub struct StartError {
    /// Kind and id of the component.
    pub component: String,
    pub source: BuildError,
}

/// All components at work.
pub struct Graph {
    stop_receivers: StopSource,
    abort: StopSource,
    receivers: Threads,
    pipelines: Threads,
    exporters: Vec<(StatusHandle, sending::RunningExporter)>,
    extensions: Vec<Box<dyn RunningExtension>>,
    statuses: BTreeMap<String, StatusHandle>,
    board: StatusBoard,
}

/// What a shutdown left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Items in queues that no backend took.
    pub items: usize,
    /// Threads that did not end in time.
    pub threads: usize,
}

impl Graph {
    /// Builds and starts everything that `config` uses. On an error nothing keeps running.
    pub fn start(config: &Loaded, telemetry: &Telemetry, board: &StatusBoard) -> Result<Self, StartError> {
        let mut graph = Self {
            stop_receivers: StopSource::new(),
            abort: StopSource::new(),
            receivers: Threads::new(),
            pipelines: Threads::new(),
            exporters: Vec::new(),
            extensions: Vec::new(),
            statuses: BTreeMap::new(),
            board: board.clone(),
        };
        let started = Builder { config, telemetry, graph: &mut graph, host: Arc::new(NoHost) }.run();
        match started {
            Ok(()) => {
                board.set_ready(true);
                Ok(graph)
            }
            Err(error) => {
                graph.stop(Instant::now());
                Err(error)
            }
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
        if self.receivers.owns(&event.component) {
            self.receivers.note(event);
        } else {
            self.pipelines.note(event);
        }
        report(&self.statuses, event)
    }

    /// Stops receivers, drains pipelines, flushes exporters: all of it before `deadline`.
    pub fn stop(mut self, deadline: Instant) -> Leftover {
        self.board.set_ready(false);
        self.stop_receivers.raise();
        let statuses = std::mem::take(&mut self.statuses);
        let seen = |event: Event| _ = report(&statuses, &event);
        let mut threads = self.receivers.join(deadline, seen);
        if threads == 0 {
            threads += self.pipelines.join(deadline, seen);
        }
        for (_, exporter) in &self.exporters {
            exporter.close();
        }
        let mut items = 0;
        for (status, exporter) in self.exporters.drain(..) {
            items += exporter.wait(deadline).items;
            status.set(ComponentState::Stopped, "");
        }
        self.abort.raise();
        if threads > 0 {
            let last = Instant::now() + LAST_WORDS;
            threads = self.receivers.join(last, seen) + self.pipelines.join(last, seen);
        }
        while let Some(extension) = self.extensions.pop() {
            drop(extension);
        }
        Leftover { items, threads }
    }
}

/// Logs the end of a thread and puts it on the board. Returns whether it was a failure.
fn report(statuses: &BTreeMap<String, StatusHandle>, event: &Event) -> bool {
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
    if let Some(status) = statuses.get(&event.component) {
        status.set(state, detail);
    }
    failed
}

struct Builder<'a> {
    config: &'a Loaded,
    telemetry: &'a Telemetry,
    graph: &'a mut Graph,
    host: Arc<dyn Host>,
}

/// What components get from the extensions.
struct AgentHost {
    storages: BTreeMap<ComponentId, Arc<dyn Storage>>,
}

impl Host for AgentHost {
    fn storage(&self, id: &ComponentId) -> Option<Arc<dyn Storage>> {
        self.storages.get(id).cloned()
    }
}

/// Where a pipeline or a connector takes its batches from.
type Heads = BTreeMap<String, Arc<dyn Consumer>>;

impl Builder<'_> {
    fn run(&mut self) -> Result<(), StartError> {
        self.start_extensions()?;
        // All exporters and connectors first, then pipelines against the stream, receivers last.
        let ends = self.start_exporters()?;
        let (heads, channels) = self.open_channels();
        let connectors = self.open_connectors(&heads)?;
        self.start_pipelines(&ends, &connectors, channels)?;
        self.start_receivers(&heads)
    }

    fn start_extensions(&mut self) -> Result<(), StartError> {
        let mut storages = BTreeMap::new();
        for id in &self.config.enabled_extensions {
            let Some(Component { config, .. }) = self.config.extensions.get(id) else { continue };
            let component = format!("extension:{id}");
            let context = self.context(&component, id, None);
            let status = context.status.clone();
            let running = config
                .build(context, self.graph.board.clone())
                .and_then(Extension::start)
                .map_err(|source| StartError { component, source })?;
            status.set(ComponentState::Running, "");
            if let Some(storage) = running.storage() {
                storages.insert(id.clone(), storage);
            }
            self.graph.extensions.push(running);
        }
        self.host = Arc::new(AgentHost { storages });
        Ok(())
    }

    /// One exporter for each signal in which it is used.
    fn start_exporters(&mut self) -> Result<BTreeMap<(Signal, ComponentId), Arc<dyn Consumer>>, StartError> {
        let mut consumers: BTreeMap<(Signal, ComponentId), Arc<dyn Consumer>> = BTreeMap::new();
        for pipeline in &self.config.pipelines {
            for id in &pipeline.exporters {
                let signal = pipeline.id.signal;
                let Some(Component { config, .. }) = self.config.exporters.get(id) else { continue };
                if consumers.contains_key(&(signal, id.clone())) {
                    continue;
                }
                let component = format!("exporter:{id}/{signal}");
                let context = self.context(&component, id, None);
                let status = context.status.clone();
                let exporter = config
                    .build(context.clone(), signal)
                    .map_err(|source| StartError { component: component.clone(), source })?;
                let running = sending::start(&config.sending(), exporter.into(), &context, signal)
                    .map_err(|source| StartError { component, source })?;
                status.set(ComponentState::Running, "");
                consumers.insert((signal, id.clone()), running.consumer());
                self.graph.exporters.push((status, running));
            }
        }
        Ok(consumers)
    }

    /// A channel into every pipeline.
    fn open_channels(&self) -> (Heads, BTreeMap<String, ChannelReceiver>) {
        let mut heads = Heads::new();
        let mut channels = BTreeMap::new();
        for pipeline in &self.config.pipelines {
            let (sender, receiver) = channel(CHANNEL, self.abort());
            heads.insert(pipeline.id.to_string(), Arc::new(sender));
            channels.insert(pipeline.id.to_string(), receiver);
        }
        (heads, channels)
    }

    /// A thread for every connector in use, which sends into the pipelines that name it as receiver.
    fn open_connectors(
        &mut self,
        heads: &Heads,
    ) -> Result<BTreeMap<ComponentId, Arc<dyn Consumer>>, StartError> {
        let mut consumers: BTreeMap<ComponentId, Arc<dyn Consumer>> = BTreeMap::new();
        for (id, Component { config, .. }) in &self.config.connectors {
            let fed: Vec<&Pipeline> =
                self.config.pipelines.iter().filter(|pipeline| pipeline.receivers.contains(id)).collect();
            if fed.is_empty() {
                continue;
            }
            let component = format!("connector:{id}");
            let context = self.context(&component, id, None);
            let status = context.status.clone();
            let connector = config
                .build(context)
                .map_err(|source| StartError { component: component.clone(), source })?;
            let outputs = ConnectorOutputs {
                by_signal: outputs_into(&fed, heads),
                by_pipeline: fed
                    .iter()
                    .filter_map(|pipeline| {
                        let name = pipeline.id.to_string();
                        let head = heads.get(&name)?.clone();
                        Some((name, Output::new(vec![head])))
                    })
                    .collect(),
            };
            let (sender, receiver) = channel(CHANNEL, self.abort());
            self.spawn_pipeline(&component, move || connectors::run(&receiver, connector, &outputs))?;
            status.set(ComponentState::Running, "");
            consumers.insert(id.clone(), Arc::new(sender));
        }
        Ok(consumers)
    }

    fn start_pipelines(
        &mut self,
        exporters: &BTreeMap<(Signal, ComponentId), Arc<dyn Consumer>>,
        connectors: &BTreeMap<ComponentId, Arc<dyn Consumer>>,
        mut channels: BTreeMap<String, ChannelReceiver>,
    ) -> Result<(), StartError> {
        for pipeline in &self.config.pipelines {
            let signal = pipeline.id.signal;
            let ends = pipeline.exporters.iter().filter_map(|id| {
                exporters.get(&(signal, id.clone())).or_else(|| connectors.get(id)).cloned()
            });
            let output = Output::new(ends.collect());
            let mut processors: Vec<Box<dyn Processor>> = Vec::new();
            for id in &pipeline.processors {
                let Some(Component { config, .. }) = self.config.processors.get(id) else { continue };
                let component = format!("processor:{id} in {}", pipeline.id);
                let context = self.context(&component, id, Some(pipeline.id.to_string()));
                let status = context.status.clone();
                let processor =
                    config.build(context, signal).map_err(|source| StartError { component, source })?;
                status.set(ComponentState::Running, "");
                processors.push(processor);
            }
            let Some(input) = channels.remove(&pipeline.id.to_string()) else { continue };
            let component = format!("pipeline:{}", pipeline.id);
            let status = self.status(&component);
            self.spawn_pipeline(&component, move || chain::run(&input, processors, &output))?;
            status.set(ComponentState::Running, "");
        }
        Ok(())
    }

    /// One receiver for each id, however many pipelines and signals want it.
    fn start_receivers(&mut self, heads: &Heads) -> Result<(), StartError> {
        for (id, Component { config, .. }) in &self.config.receivers {
            let fed: Vec<&Pipeline> =
                self.config.pipelines.iter().filter(|pipeline| pipeline.receivers.contains(id)).collect();
            if fed.is_empty() {
                continue;
            }
            let component = format!("receiver:{id}");
            let context = self.context(&component, id, None);
            let status = context.status.clone();
            let receiver = config
                .build(context)
                .map_err(|source| StartError { component: component.clone(), source })?;
            let outputs = outputs_into(&fed, heads).counted(self.telemetry, &id.to_string());
            let stop = self.graph.stop_receivers.stop();
            status.set(ComponentState::Running, "");
            self.graph
                .receivers
                .spawn(component.as_str(), move || receiver.run(outputs, stop))
                .map_err(|error| thread_error(&component, &error))?;
        }
        Ok(())
    }

    fn spawn_pipeline(
        &mut self,
        component: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        self.graph
            .pipelines
            .spawn(component, move || {
                run();
                Ok(())
            })
            .map_err(|error| thread_error(component, &error))
    }

    fn context(&mut self, component: &str, id: &ComponentId, pipeline: Option<String>) -> Context {
        Context {
            id: id.clone(),
            pipeline,
            telemetry: self.telemetry.clone(),
            status: self.status(component),
            abort: self.abort(),
            host: self.host.clone(),
        }
    }

    fn status(&mut self, component: &str) -> StatusHandle {
        let status = self.graph.board.handle(component);
        self.graph.statuses.insert(component.to_owned(), status.clone());
        status
    }

    fn abort(&self) -> Stop {
        self.graph.abort.stop()
    }
}

/// The heads of `pipelines` as one output for each of their signals.
fn outputs_into(pipelines: &[&Pipeline], heads: &Heads) -> Outputs {
    let mut outputs = Outputs::default();
    for signal in Signal::ALL {
        let consumers: Vec<Arc<dyn Consumer>> = pipelines
            .iter()
            .filter(|pipeline| pipeline.id.signal == signal)
            .filter_map(|pipeline| heads.get(&pipeline.id.to_string()).cloned())
            .collect();
        if !consumers.is_empty() {
            outputs.set(signal, Output::new(consumers));
        }
    }
    outputs
}

fn thread_error(component: &str, error: &std::io::Error) -> StartError {
    StartError {
        component: component.to_owned(),
        source: BuildError::new(format!("cannot start a thread: {error}; raise the limit on processes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{
        ExportError, Exporter, ExporterConfig, ExporterType, Receiver, ReceiverConfig, ReceiverType,
        RunError, decode_exporter, decode_receiver,
    };
    use crate::config::{self, Registry, Role, Source};
    use crate::exporters::Sending;
    use crate::pipeline::{Ack, Batch, Data, Outcome};

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
