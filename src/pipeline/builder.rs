//! Starts what a configuration uses and the graph does not have yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain::Stage;
use super::connectors;
use super::graph::{Door, Graph, ReceiverStops, RunningNode, StartError};
use super::plan::{self, Plan};
use super::relay::Relay;
use super::works::{Entry, Works};
use super::{Consumer, Limits, Output, Outputs, Signal, Stop, StopSource, channel};
use crate::component::{
    BuildError, ConnectorOutputs, Context, Election, Extension, Host, NoHost, RunError, Storage,
};
use crate::config::{Component, ComponentId, Loaded, Pipeline};
use crate::exporters::sending;
use crate::telemetry::{ComponentState, StatusHandle};

/// Room between a receiver and its pipeline: enough to keep both busy, little enough that what a
/// slow backend holds up stays small.
const CHANNEL: Limits = Limits { batches: 32, bytes: 4 << 20 };

pub(super) struct Builder<'a> {
    config: &'a Loaded,
    plan: Plan,
    graph: &'a mut Graph,
    host: Arc<dyn Host>,
}

/// What components get from the extensions.
#[derive(Default)]
struct AgentHost {
    storages: BTreeMap<ComponentId, Arc<dyn Storage>>,
    elections: BTreeMap<ComponentId, Arc<dyn Election>>,
}

impl Host for AgentHost {
    fn storage(&self, id: &ComponentId) -> Option<Arc<dyn Storage>> {
        self.storages.get(id).cloned()
    }
    fn election(&self, id: &ComponentId) -> Option<Arc<dyn Election>> {
        self.elections.get(id).cloned()
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(config: &'a Loaded, plan: Plan, graph: &'a mut Graph) -> Self {
        Self { config, plan, graph, host: Arc::new(NoHost) }
    }

    /// Exporters and connectors first, then pipelines against the stream, receivers last.
    pub(super) fn run(mut self) -> Result<(), StartError> {
        self.start_extensions()?;
        self.start_exporters()?;
        self.open_doors();
        self.start_connectors()?;
        self.start_pipelines()?;
        self.start_receivers()
    }

    fn start_extensions(&mut self) -> Result<(), StartError> {
        for id in &self.config.enabled_extensions {
            let name = plan::extension(id);
            let Some(Component { config, .. }) = self.config.extensions.get(id) else { continue };
            if self.is_at_work(&name) {
                continue;
            }
            let context = self.context(&name, id, None);
            let running = config
                .build(context.clone(), self.graph.board.clone())
                .and_then(Extension::start)
                .map_err(|source| StartError { component: name.clone(), source })?;
            self.graph.extensions.push((name.clone(), running));
            context.status.set(ComponentState::Running, "");
            self.started(&name);
        }
        let running: BTreeMap<&str, _> =
            self.graph.extensions.iter().map(|(name, running)| (name.as_str(), running)).collect();
        let mut host = AgentHost::default();
        for id in &self.config.enabled_extensions {
            let Some(running) = running.get(plan::extension(id).as_str()) else { continue };
            host.storages.extend(running.storage().map(|storage| (id.clone(), storage)));
            host.elections.extend(running.election().map(|election| (id.clone(), election)));
        }
        self.host = Arc::new(host);
        Ok(())
    }

    /// One exporter for each signal in which it is used.
    fn start_exporters(&mut self) -> Result<(), StartError> {
        for pipeline in &self.config.pipelines {
            for id in &pipeline.exporters {
                let signal = pipeline.id.signal;
                let name = plan::exporter(id, signal);
                let Some(Component { config, .. }) = self.config.exporters.get(id) else { continue };
                if self.is_at_work(&name) {
                    continue;
                }
                let context = self.context(&name, id, None);
                let exporter = config
                    .build(context.clone(), signal)
                    .map_err(|source| StartError { component: name.clone(), source })?;
                let exporter = sending::start(&config.sending(), exporter.into(), &context, signal)
                    .map_err(|source| StartError { component: name.clone(), source })?;
                exporter.adopt(self.graph.orphans.remove(&name).unwrap_or_default());
                let (abort, tap) = (self.graph.abort.stop(), self.graph.telemetry.taps().tap(&name));
                let relay =
                    self.graph.relays.entry(name.clone()).or_insert_with(|| Arc::new(Relay::new(abort, tap)));
                relay.attach(exporter.consumer());
                let status = context.status.clone();
                status.set(ComponentState::Running, "");
                self.started(&name);
                self.graph.exporters.insert(name, RunningNode { status, exporter });
            }
        }
        Ok(())
    }

    /// A channel into every pipeline and connector that has none.
    fn open_doors(&mut self) {
        let plan = &self.plan;
        self.graph.doors.retain(|name, _| plan.nodes.contains_key(name));
        let names: Vec<String> =
            self.plan.nodes.keys().filter(|name| is_entered(name.as_str())).cloned().collect();
        for name in names {
            let abort = self.graph.abort.stop();
            let door = self.graph.doors.entry(name).or_insert_with(|| {
                let (sender, receiver) = channel(CHANNEL, abort);
                Door { sender, receiver, entry: Entry::default(), retire: StopSource::new() }
            });
            if door.retire.stop().is_raised() {
                door.retire = StopSource::new();
            }
        }
    }

    /// A thread for every connector in use, which sends into the pipelines that name it as receiver.
    fn start_connectors(&mut self) -> Result<(), StartError> {
        for (id, Component { config, .. }) in &self.config.connectors {
            let name = plan::connector(id);
            let fed = plan::fed_by(self.config, id);
            if fed.is_empty() || self.is_at_work(&name) {
                continue;
            }
            let context = self.context(&name, id, None);
            let connector = config
                .build(context.clone())
                .map_err(|source| StartError { component: name.clone(), source })?;
            let stop = self.graph.abort.stop();
            let outputs = ConnectorOutputs {
                by_signal: self.outputs_into(&fed, &stop),
                by_pipeline: fed
                    .iter()
                    .map(|pipeline| (pipeline.id.to_string(), Output::new(self.heads(&[*pipeline], &stop))))
                    .collect(),
            };
            context.status.set(ComponentState::Running, "");
            let tap = context.telemetry.taps().tap(&name);
            self.spawn_behind_door(&name, move |input, retire| {
                connectors::run(input, retire, connector, &outputs, &tap);
            })?;
            self.started(&name);
        }
        Ok(())
    }

    fn start_pipelines(&mut self) -> Result<(), StartError> {
        for pipeline in &self.config.pipelines {
            let name = plan::pipeline(&pipeline.id);
            if self.is_at_work(&name) {
                continue;
            }
            let signal = pipeline.id.signal;
            let ends = pipeline.exporters.iter().filter_map(|id| self.end(id, signal));
            let output = Output::new(ends.collect());
            let mut stages: Vec<Stage> = Vec::new();
            for (place, id) in pipeline.processors.iter().enumerate() {
                let Some(Component { config, .. }) = self.config.processors.get(id) else { continue };
                let component = plan::processor(id, &pipeline.id);
                let tap = self.graph.telemetry.taps().tap(&component);
                let context = self.context(&component, id, Some(pipeline.id.to_string()));
                let status = context.status.clone();
                let mut processor =
                    config.build(context, signal).map_err(|source| StartError { component, source })?;
                if !self.reads(&pipeline.processors[place + 1..]) && !self.ends_read(pipeline) {
                    processor.encoded_will_do();
                }
                status.set(ComponentState::Running, "");
                stages.push(Stage { processor, tap });
            }
            self.status(&name).set(ComponentState::Running, "");
            let works = Arc::new(Works::new(stages, output));
            if let Some(door) = self.graph.doors.get(&name) {
                door.entry.lead_to(works.clone());
            }
            self.spawn_behind_door(&name, move |input, retire| works.run(input, retire))?;
            self.started(&name);
        }
        Ok(())
    }

    /// One receiver for each id, however many pipelines and signals want it.
    fn start_receivers(&mut self) -> Result<(), StartError> {
        for (id, Component { config, .. }) in &self.config.receivers {
            let name = plan::receiver(id);
            let fed = plan::fed_by(self.config, id);
            if fed.is_empty() || self.is_at_work(&name) {
                continue;
            }
            let context = self.context(&name, id, None);
            let status = context.status.clone();
            let receiver =
                config.build(context).map_err(|source| StartError { component: name.clone(), source })?;
            let stops = ReceiverStops { stop: StopSource::new(), give_up: StopSource::new() };
            let mut outputs =
                self.outputs_into(&fed, &stops.give_up.stop()).tapped(self.graph.telemetry.taps(), &name);
            if !receiver.counts_itself() {
                outputs = outputs.counted(&self.graph.telemetry, &id.to_string());
            }
            let stop = stops.stop.stop();
            status.set(ComponentState::Running, "");
            self.graph
                .receivers
                .spawn(name.as_str(), move || receiver.run(outputs, stop))
                .map_err(|error| thread_error(&name, &error))?;
            self.graph.receiver_stops.insert(name.clone(), stops);
            self.started(&name);
        }
        Ok(())
    }

    /// Where a pipeline's batches go: an exporter or a connector.
    fn end(&self, id: &ComponentId, signal: Signal) -> Option<Arc<dyn Consumer>> {
        if let Some(relay) = self.graph.relays.get(&plan::exporter(id, signal)) {
            return Some(relay.clone());
        }
        let door = self.graph.doors.get(&plan::connector(id))?;
        Some(Arc::new(door.sender.clone()))
    }

    /// The heads of `pipelines` as one output for each of their signals, for a sender that gives up
    /// waiting at `stop`.
    fn outputs_into(&self, pipelines: &[&Pipeline], stop: &Stop) -> Outputs {
        let mut outputs = Outputs::default();
        for signal in Signal::ALL {
            let of_signal: Vec<&Pipeline> =
                pipelines.iter().filter(|pipeline| pipeline.id.signal == signal).copied().collect();
            let consumers = self.heads(&of_signal, stop);
            if !consumers.is_empty() {
                let reads = of_signal.iter().any(|pipeline| self.reads(&pipeline.processors));
                outputs.set(signal, Output::new(consumers).that_reads(reads));
            }
        }
        outputs
    }

    /// Whether one of these processors looks at the telemetry.
    fn reads(&self, processors: &[ComponentId]) -> bool {
        let mut processors = processors.iter().filter_map(|id| self.config.processors.get(id));
        processors.any(|processor| processor.config.reads())
    }

    /// Whether an exporter of the pipeline looks at the telemetry, or somebody behind a connector.
    fn ends_read(&self, pipeline: &Pipeline) -> bool {
        let exporter = |id| self.graph.exporters.get(&plan::exporter(id, pipeline.id.signal));
        pipeline.exporters.iter().any(|id| exporter(id).is_none_or(|node| !node.exporter.sends_encoded()))
    }

    fn heads(&self, pipelines: &[&Pipeline], stop: &Stop) -> Vec<Arc<dyn Consumer>> {
        let doors =
            pipelines.iter().filter_map(|pipeline| self.graph.doors.get(&plan::pipeline(&pipeline.id)));
        doors.map(|door| door.entry.beside(door.sender.until(stop.clone()))).collect()
    }

    fn spawn_behind_door(
        &mut self,
        name: &str,
        run: impl FnOnce(&super::ChannelReceiver, &Stop) + Send + 'static,
    ) -> Result<(), StartError> {
        let Some(door) = self.graph.doors.get(name) else { return Ok(()) };
        // The source itself: a request whose source is gone counts as raised, and a door that is taken
        // away must not keep what is behind it from reading on to the end.
        let (input, retire) = (door.receiver.clone(), door.retire.clone());
        let run = move || -> Result<(), RunError> {
            run(&input, &retire.stop());
            Ok(())
        };
        self.graph.pipelines.spawn(name, run).map_err(|error| thread_error(name, &error))
    }

    fn is_at_work(&self, name: &str) -> bool {
        self.graph.plan.nodes.contains_key(name)
    }

    /// The node is at work with the settings of the plan.
    fn started(&mut self, name: &str) {
        if let Some(digest) = self.plan.nodes.get(name) {
            self.graph.plan.nodes.insert(name.to_owned(), *digest);
        }
    }

    fn context(&mut self, component: &str, id: &ComponentId, pipeline: Option<String>) -> Context {
        Context {
            id: id.clone(),
            pipeline,
            telemetry: self.graph.telemetry.clone(),
            status: self.status(component),
            abort: self.graph.abort.stop(),
            host: self.host.clone(),
        }
    }

    fn status(&mut self, component: &str) -> StatusHandle {
        let status = self.graph.board.handle(component);
        self.graph.statuses.insert(component.to_owned(), status.clone());
        status
    }
}

/// Pipelines and connectors have a channel in front of them.
fn is_entered(name: &str) -> bool {
    name.starts_with("pipeline:") || name.starts_with("connector:")
}

fn thread_error(component: &str, error: &std::io::Error) -> StartError {
    StartError {
        component: component.to_owned(),
        source: BuildError::new(format!("cannot start a thread: {error}; raise the limit on processes")),
    }
}
