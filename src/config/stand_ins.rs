//! Component types that stand in for real ones in tests of the loader.

use serde::Deserialize;

use super::{Issues, Node, Registry};
use crate::component::{
    BuildError, Connector, ConnectorConfig, ConnectorType, Context, Exporter, ExporterConfig, ExporterType,
    Extension, ExtensionConfig, ExtensionType, Processor, ProcessorConfig, ProcessorType, Receiver,
    ReceiverConfig, ReceiverType, decode_connector, decode_exporter, decode_extension, decode_processor,
    decode_receiver,
};
use crate::connectors::routing::RoutingConfig;
use crate::pipeline::Signal;
use crate::telemetry::StatusBoard;

#[derive(Debug)]
struct AnyConfig(Node);

impl<'de> Deserialize<'de> for AnyConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Node::deserialize(deserializer).map(Self)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StrictConfig {
    timeout: u32,
    endpoint: String,
}

fn never<T>() -> Result<T, BuildError> {
    Err(BuildError::new("a stand-in is never built"))
}

macro_rules! stand_in {
    ($config:ident) => {
        impl ReceiverConfig for $config {
            fn validate(&self, issues: &mut Issues) {
                self.check(issues);
            }
            fn build(&self, _: Context) -> Result<Box<dyn Receiver>, BuildError> {
                never()
            }
        }
        impl ProcessorConfig for $config {
            fn validate(&self, issues: &mut Issues) {
                self.check(issues);
            }
            fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
                never()
            }
        }
        impl ExporterConfig for $config {
            fn validate(&self, issues: &mut Issues) {
                self.check(issues);
            }
            fn sending(&self) -> crate::exporters::Sending {
                crate::exporters::Sending::default()
            }
            fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Exporter>, BuildError> {
                never()
            }
        }
        impl ConnectorConfig for $config {
            fn build(&self, _: Context) -> Result<Box<dyn Connector>, BuildError> {
                never()
            }
        }
        impl ExtensionConfig for $config {
            fn build(&self, _: Context, _: StatusBoard) -> Result<Box<dyn Extension>, BuildError> {
                never()
            }
        }
    };
}
stand_in!(AnyConfig);
stand_in!(StrictConfig);

impl AnyConfig {
    fn check(&self, issues: &mut Issues) {
        if let Some(message) = self.0.get("invalid").and_then(Node::as_str) {
            issues.error("invalid", message);
        }
    }
}

impl StrictConfig {
    fn check(&self, issues: &mut Issues) {
        if self.timeout > 100 {
            issues.error("timeout", format!("too long for {}", self.endpoint));
        }
    }
}

macro_rules! types {
    ($($table:ident: $type:ident, $decode:ident = [$(($name:literal, [$($alias:literal),*], $signals:expr, $config:ident)),* $(,)?];)*) => {$(
        pub static $table: &[&$type] = &[
            $(&$type { name: $name, aliases: &[$($alias),*], signals: $signals, decode: $decode::<$config> }),*
        ];
    )*};
}

const ALL: &[Signal] = &Signal::ALL;
const LOGS: &[Signal] = &[Signal::Logs];
const METRICS: &[Signal] = &[Signal::Metrics];

types! {
    RECEIVERS: ReceiverType, decode_receiver = [
        ("ebpfreceiver", ["ebpf"], METRICS, AnyConfig),
        ("file_log", ["filelog"], LOGS, AnyConfig),
        ("hostmetrics", ["host_metrics"], METRICS, AnyConfig),
        ("k8s_cluster", [], &[Signal::Metrics, Signal::Logs], AnyConfig),
        ("k8s_events", [], LOGS, AnyConfig),
        ("k8sobjects", [], LOGS, AnyConfig),
        ("kubeletstats", [], METRICS, AnyConfig),
        ("otlp", [], ALL, AnyConfig),
    ];
    PROCESSORS: ProcessorType, decode_processor = [
        ("attributes", [], ALL, AnyConfig),
        ("batch", [], ALL, StrictConfig),
        ("cumulativetodelta", [], METRICS, AnyConfig),
        ("deltatorate", [], METRICS, AnyConfig),
        ("groupbyattrs", [], ALL, AnyConfig),
        ("k8sattributes", [], ALL, AnyConfig),
        ("metricstransform", [], METRICS, AnyConfig),
        ("resource", [], ALL, AnyConfig),
        ("resourcedetection", [], ALL, AnyConfig),
        ("transform", [], ALL, AnyConfig),
    ];
    PERMISSIVE_PROCESSORS: ProcessorType, decode_processor = [
        ("attributes", [], ALL, AnyConfig),
        ("batch", [], ALL, AnyConfig),
        ("cumulativetodelta", [], METRICS, AnyConfig),
        ("deltatorate", [], METRICS, AnyConfig),
        ("groupbyattrs", [], ALL, AnyConfig),
        ("k8sattributes", [], ALL, AnyConfig),
        ("metricstransform", [], METRICS, AnyConfig),
        ("resource", [], ALL, AnyConfig),
        ("resourcedetection", [], ALL, AnyConfig),
        ("transform", [], ALL, AnyConfig),
    ];
    EXPORTERS: ExporterType, decode_exporter = [
        ("debug", [], ALL, AnyConfig),
        ("otlp_http", ["otlphttp"], ALL, AnyConfig),
    ];
    CONNECTORS: ConnectorType, decode_connector = [
        (
            "forward",
            [],
            &[
                (Signal::Logs, Signal::Logs),
                (Signal::Metrics, Signal::Metrics),
                (Signal::Traces, Signal::Traces),
            ],
            AnyConfig
        ),
        ("count", [], &[(Signal::Logs, Signal::Metrics)], AnyConfig),
        ("routing", [], &[(Signal::Logs, Signal::Logs)], RoutingConfig),
    ];
    EXTENSIONS: ExtensionType, decode_extension = [
        ("health_check", [], &[], AnyConfig),
    ];
}

/// `batch` is strict, everything else takes any section.
pub static REGISTRY: Registry<'static> = Registry {
    receivers: RECEIVERS,
    processors: PROCESSORS,
    exporters: EXPORTERS,
    connectors: CONNECTORS,
    extensions: EXTENSIONS,
};
