//! `count`: counts spans, span events, metrics, data points and log records, by condition and
//! attributes.

mod config;
mod counting;

pub use config::CountConfig;

use crate::component::{
    BuildError, Connector, ConnectorConfig, ConnectorOutputs, ConnectorType, Context, decode_connector,
};
use crate::config::Issues;
use crate::otlp::build;
use crate::otlp::metrics::ResourceMetrics;
use crate::otlp::{InstrumentationScope, KeyValue, Resource};
use crate::ottl::{ContextKind, Failures, View, views_of_logs, views_of_metrics, views_of_spans};
use crate::pipeline::{Batch, Data, Signal};
use crate::time::now_unix_nanos;

use config::{Counted, Definition};
use counting::Counts;

pub static TYPE: ConnectorType = ConnectorType {
    name: "count",
    aliases: &[],
    signals: &[
        (Signal::Logs, Signal::Metrics),
        (Signal::Metrics, Signal::Metrics),
        (Signal::Traces, Signal::Metrics),
    ],
    decode: decode_connector::<CountConfig>,
};

impl ConnectorConfig for CountConfig {
    fn validate(&self, issues: &mut Issues) {
        for (path, message) in self.compile().err().unwrap_or_default() {
            issues.error(&path, message);
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Connector>, BuildError> {
        let definitions = self.compile().map_err(|faults| {
            let faults: Vec<String> =
                faults.into_iter().map(|(path, message)| format!("{path}: {message}")).collect();
            BuildError::new(faults.join("\n"))
        })?;
        let id = context.id.to_string();
        let errors =
            context.telemetry.counter("kmagent_connector_count_condition_errors", &[("connector", &id)]);
        Ok(Box::new(Count {
            definitions,
            failures: Failures::new(id, errors, false),
            scope: InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() },
        }))
    }
}

const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/connector/countconnector";

struct Count {
    definitions: Vec<Definition>,
    failures: Failures,
    scope: InstrumentationScope,
}

impl Connector for Count {
    fn process(&mut self, batch: Batch, outputs: &ConnectorOutputs) {
        let now = now_unix_nanos();
        let mut counted = Vec::new();
        match batch.data() {
            Data::Logs(all) => {
                for entry in all {
                    counted.extend(self.count(
                        entry.resource.as_ref(),
                        &[Counted::Logs],
                        now,
                        |of, visit| {
                            views_of_logs(entry, of, visit);
                        },
                    ));
                }
            }
            Data::Metrics(all) => {
                for entry in all {
                    let kinds = &[Counted::Metrics, Counted::DataPoints];
                    counted.extend(self.count(entry.resource.as_ref(), kinds, now, |of, visit| {
                        views_of_metrics(entry, of, visit);
                    }));
                }
            }
            Data::Traces(all) => {
                for entry in all {
                    let kinds = &[Counted::Spans, Counted::SpanEvents];
                    counted.extend(self.count(entry.resource.as_ref(), kinds, now, |of, visit| {
                        views_of_spans(entry, of, visit);
                    }));
                }
            }
        }
        if !counted.is_empty()
            && let Some(output) = &outputs.by_signal.metrics
        {
            // The source hears of success when the counts have arrived. False when the agent stops.
            output.send(Batch::new(Data::Metrics(counted), batch.ack.clone()));
        }
    }
}

impl Count {
    /// The counts of one resource, unless nothing of it is counted. `views` visits its items.
    fn count(
        &self,
        resource: Option<&Resource>,
        kinds: &[Counted],
        now: u64,
        views: impl Fn(ContextKind, &mut dyn FnMut(&View<'_>)),
    ) -> Option<ResourceMetrics> {
        let mut metrics = Vec::new();
        for kind in kinds {
            let definitions = self.definitions.iter().filter(|definition| definition.counts == *kind);
            let mut counts = Counts::new(definitions.collect());
            if !counts.is_empty() {
                views(kind.context(), &mut |view| counts.add(view, &self.failures));
                counts.metrics(now, &mut metrics);
            }
        }
        let attributes: Vec<KeyValue> =
            resource.map_or_else(Vec::new, |resource| resource.attributes.clone());
        (!metrics.is_empty()).then(|| build::resource_metrics(attributes, &self.scope, "", metrics))
    }
}

#[cfg(test)]
mod tests;
