//! `routing`: sends telemetry to the pipelines that a table of conditions chooses.

mod config;
mod part;
mod table;

pub use config::RoutingConfig;

use crate::component::{
    BuildError, Connector, ConnectorConfig, ConnectorOutputs, ConnectorType, Context, decode_connector,
};
use crate::config::Issues;
use crate::ottl::{Failures, for_each_item, for_each_view};
use crate::pipeline::{Ack, Batch, Data, Signal};
use crate::processors::transform::ErrorMode;
use crate::telemetry::Counter;

use config::Action;
use table::{Route, Table};

pub static TYPE: ConnectorType = ConnectorType {
    name: "routing",
    aliases: &[],
    signals: &[
        (Signal::Logs, Signal::Logs),
        (Signal::Metrics, Signal::Metrics),
        (Signal::Traces, Signal::Traces),
    ],
    decode: decode_connector::<RoutingConfig>,
};

impl ConnectorConfig for RoutingConfig {
    fn validate(&self, issues: &mut Issues) {
        for (path, message) in Table::compile(self).err().unwrap_or_default() {
            issues.error(&path, message);
        }
    }

    fn pipelines(&self) -> Vec<&str> {
        let routed = self.table.iter().flat_map(|route| &route.pipelines);
        routed.chain(&self.default_pipelines).map(String::as_str).collect()
    }

    fn build(&self, context: Context) -> Result<Box<dyn Connector>, BuildError> {
        let table = Table::compile(self).map_err(|faults| {
            let faults: Vec<String> =
                faults.into_iter().map(|(path, message)| format!("{path}: {message}")).collect();
            BuildError::new(faults.join("\n"))
        })?;
        let id = context.id.to_string();
        let counter = |name| context.telemetry.counter(name, &[("connector", &id)]);
        Ok(Box::new(Routing {
            table,
            unrouted: counter("kmagent_connector_routing_unrouted_items"),
            failures: Failures::new(
                &id,
                counter("kmagent_connector_routing_condition_errors"),
                self.error_mode == ErrorMode::Silent,
            ),
        }))
    }
}

struct Routing {
    table: Table,
    unrouted: Counter,
    failures: Failures,
}

impl Connector for Routing {
    fn process(&mut self, batch: Batch, outputs: &ConnectorOutputs) {
        let signal = batch.signal();
        let (lane, peer) = (batch.lane, batch.peer);
        let (data, ack, _) = batch.into_parts();
        for (target, data) in self.route(signal, data).into_iter().enumerate() {
            let Some(data) = data else { continue };
            let pipelines = self.table.pipelines(target, signal);
            if pipelines.is_empty() {
                self.unrouted.add(data.items() as u64);
                continue;
            }
            let mut batch = Batch::new(data, ack.clone()).in_lane(lane);
            batch.peer = peer;
            for pipeline in pipelines {
                if let Some(output) = outputs.by_pipeline.get(pipeline) {
                    // False when the agent stops: the batch was refused through its acknowledgement.
                    output.send(batch.clone());
                }
            }
        }
        // What is left of the acknowledgement says "delivered" for what went nowhere on purpose.
        drop::<Ack>(ack);
    }
}

impl Routing {
    /// Parts the data by target; the last target is the default one.
    fn route(&self, signal: Signal, mut data: Data) -> Vec<Option<Data>> {
        let mut parts: Vec<Option<Data>> = Vec::new();
        parts.resize_with(self.table.targets(), || None);
        // When several routes may match, what none of them takes is found on a copy.
        let mut rest = (!self.table.match_once).then(|| data.clone());
        for route in self.table.routes(signal) {
            let moves = self.table.match_once && route.action == Action::Move;
            if let Some(part) = self.choose(route, &mut data, moves) {
                if let Some(rest) = &mut rest {
                    self.choose(route, rest, true);
                }
                add(&mut parts[route.target], self.edited(route, part));
            }
            if part::is_empty(&data) {
                break;
            }
        }
        let rest = rest.unwrap_or(data);
        if !part::is_empty(&rest) {
            add(&mut parts[self.table.default_target()], rest);
        }
        parts
    }

    /// Takes or copies what the route chooses.
    fn choose(&self, route: &Route, data: &mut Data, moves: bool) -> Option<Data> {
        let mut marks = Vec::new();
        for_each_view(data, route.context, &mut |view| {
            marks.push(route.choice.test(view).unwrap_or_else(|error| {
                self.failures.note(route.choice.text(), &error, "the item takes the next route");
                false
            }));
        });
        part::take(data, route.context, &marks, moves)
    }

    /// Changes what was chosen, when the route does that too.
    fn edited(&self, route: &Route, mut part: Data) -> Data {
        if route.choice.edits() {
            for_each_item(&mut part, route.context, |item| {
                if let Err(error) = route.choice.edit(item) {
                    self.failures.note(route.choice.text(), &error, "the item stays as it is");
                }
            });
        }
        part
    }
}

fn add(to: &mut Option<Data>, more: Data) {
    match (to, more) {
        (Some(Data::Logs(all)), Data::Logs(more)) => all.extend(more),
        (Some(Data::Metrics(all)), Data::Metrics(more)) => all.extend(more),
        (Some(Data::Traces(all)), Data::Traces(more)) => all.extend(more),
        (to, more) => *to = Some(more),
    }
}

#[cfg(test)]
mod tests;
