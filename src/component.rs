//! What a component is: the traits that receivers, processors, exporters and extensions implement,
//! and the tables by which the configuration finds them.
//!
//! The way of every component: its section of the file is decoded into a typed config
//! (`…Config`), all configs are validated, then the ones in use are built and run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::de::DeserializeOwned;

use crate::config::{ComponentId, Decoder, Issues};
use crate::pipeline::{Batch, Output, Outputs, Signal, Stop};
use crate::telemetry::{StatusHandle, Telemetry};

/// Why a component could not be built from a valid configuration: a file that is missing, a port
/// that is taken. The message is a lowercase fragment that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

impl BuildError {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Why a running component ended on its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

/// What a component is given when it is built.
#[derive(Clone)]
pub struct Context {
    /// The component's id as the user wrote it.
    pub id: ComponentId,
    /// For processors: the pipeline it belongs to, as written (`logs/containers`).
    pub pipeline: Option<String>,
    pub telemetry: Telemetry,
    pub status: StatusHandle,
    /// Raised when the shutdown deadline has passed: whatever still waits gives up.
    pub abort: Stop,
    pub host: Arc<dyn Host>,
}

/// What the agent offers to its components.
pub trait Host: Send + Sync {
    /// Version of the agent, for user agents and scope versions.
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
    /// The storage extension of that id, when it is configured and enabled in `service.extensions`.
    fn storage(&self, id: &ComponentId) -> Option<Arc<dyn Storage>> {
        let _ = id;
        None
    }
    /// The leader election of that extension, when it is configured and enabled.
    fn election(&self, id: &ComponentId) -> Option<Arc<dyn Election>> {
        let _ = id;
        None
    }
}

/// Decides which one of several processes works.
pub trait Election: Send + Sync {
    /// Waits until this process leads; `None` when `stop` was raised first.
    fn lead(&self, stop: &Stop) -> Option<Lead>;
}

/// A time in which this process is the one that works.
#[derive(Clone, Debug)]
pub struct Lead {
    /// Raised when it leads no more.
    pub stop: Stop,
    /// Until when somebody has surely led before, as far as is known.
    pub since: Option<SystemTime>,
}

/// A host that offers nothing: for tests and one-shot commands.
#[derive(Debug, Default)]
pub struct NoHost;
impl Host for NoHost {}

/// Durable state behind a storage extension.
pub trait Storage: Send + Sync {
    /// The key-value store of one component; `owner` is kind, type and name.
    fn client(&self, owner: &str) -> std::io::Result<Box<dyn StorageClient>>;
    /// The directory of the store, for components that keep files of their own in it.
    fn directory(&self) -> &Path;
    /// A path in it that is `owner`'s alone.
    fn path(&self, owner: &str) -> PathBuf {
        self.directory().join(owner)
    }
    /// Whether to wait for the disk after every write.
    fn fsync(&self) -> bool {
        false
    }
    /// Bytes that one component may keep; 0 = no limit.
    fn max_size(&self) -> u64 {
        0
    }
}

/// A small durable key-value store.
pub trait StorageClient: Send {
    fn get(&self, key: &str) -> std::io::Result<Option<Vec<u8>>>;
    /// Returns when the value is durable.
    fn set(&mut self, key: &str, value: &[u8]) -> std::io::Result<()>;
    fn delete(&mut self, key: &str) -> std::io::Result<()>;
    /// Sets (`Some`) and deletes (`None`) several keys; a store that can does it all or nothing.
    fn write(&mut self, batch: &[(String, Option<Vec<u8>>)]) -> std::io::Result<()> {
        batch.iter().try_for_each(|(key, value)| match value {
            Some(value) => self.set(key, value),
            None => self.delete(key),
        })
    }
}

// ---------------------------------------------------------------- running components

/// Reads telemetry from somewhere. One thread each; it may start more of its own.
pub trait Receiver: Send {
    /// Runs until `stop` is raised, and then returns within a second.
    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError>;

    /// Whether it counts itself what it hands in, as `otelcol_receiver_accepted_*` and `…_refused_*`:
    /// nobody else does then.
    fn counts_itself(&self) -> bool {
        false
    }
}

/// Changes, drops, merges or holds back batches. Runs in the thread of its pipeline.
pub trait Processor: Send {
    /// Takes a batch, hands on none, one or more. What it drops on purpose it counts.
    fn process(&mut self, batch: Batch, next: &mut dyn Next);

    /// Nobody behind it looks at the telemetry: what it hands on may be encoded. Said before the first
    /// batch, if at all.
    fn encoded_will_do(&mut self) {}

    /// When [`Processor::tick`] wants to be called, for processors that hold data back.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed.
    fn tick(&mut self, now: Instant, next: &mut dyn Next) {
        let _ = (now, next);
    }

    /// The pipeline ends: hand on all that is held back.
    fn flush(&mut self, next: &mut dyn Next) {
        let _ = next;
    }
}

/// The next processor, or what comes after the last one.
pub trait Next {
    fn send(&mut self, batch: Batch);
}

impl<F: FnMut(Batch)> Next for F {
    fn send(&mut self, batch: Batch) {
        self(batch);
    }
}

/// Sends batches out. Shared by the consumers of its queue.
pub trait Exporter: Send + Sync {
    /// One attempt to deliver. The queue around it retries; `stop` is raised when it must give up.
    fn export(&self, batch: &Batch, stop: &Stop) -> Result<(), ExportError>;

    /// Whether it sends the encoded request as it is: batches wait for it encoded then, in a third of
    /// the memory.
    fn sends_encoded(&self) -> bool {
        false
    }

    /// Ends attempts that are under way, from another thread: the exporter's time is over and
    /// nothing more will be exported. For exporters whose attempts wait on something `stop` cannot end.
    fn interrupt(&self) {}
}

/// Why one attempt to deliver failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Trying again later may help; not before `after`, when the backend asked for that.
    #[error("{message}")]
    Retry { message: String, after: Option<std::time::Duration> },
    /// The backend found the request too large: halves of it may pass.
    #[error("{message}")]
    TooLarge { message: String },
    /// Trying again will not help.
    #[error("{message}")]
    Permanent { message: String },
    /// The agent stops.
    #[error("interrupted by shutdown")]
    Stopped,
}

/// Takes the batches of some pipelines and gives batches to others, maybe of another signal. Runs in
/// a thread of its own.
pub trait Connector: Send {
    /// Takes a batch, sends on none, one or more. What it drops on purpose it counts.
    fn process(&mut self, batch: Batch, outputs: &ConnectorOutputs);

    /// When [`Connector::tick`] wants to be called, for connectors that hold data back.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed.
    fn tick(&mut self, now: Instant, outputs: &ConnectorOutputs) {
        let _ = (now, outputs);
    }

    /// Nothing more comes: send on all that is held back.
    fn flush(&mut self, outputs: &ConnectorOutputs) {
        let _ = outputs;
    }
}

/// Where a connector sends to.
#[derive(Clone, Debug, Default)]
pub struct ConnectorOutputs {
    /// All pipelines that receive from it, by their signal.
    pub by_signal: Outputs,
    /// The same pipelines one by one, by their id (`logs/errors`): for connectors that choose.
    pub by_pipeline: BTreeMap<String, Output>,
}

/// Something beside the pipelines: health endpoints, storage.
pub trait Extension: Send {
    /// Starts it; what it returns runs until it is dropped.
    fn start(self: Box<Self>) -> Result<Box<dyn RunningExtension>, BuildError>;
}

/// An extension at work. Dropping it stops it within a second.
pub trait RunningExtension: Send {
    /// The store, when this is a storage extension.
    fn storage(&self) -> Option<Arc<dyn Storage>> {
        None
    }
    /// The election, when this extension holds one.
    fn election(&self) -> Option<Arc<dyn Election>> {
        None
    }
}

// ---------------------------------------------------------------- configs

/// Typed config of a receiver.
pub trait ReceiverConfig: fmt::Debug + Send {
    fn validate(&self, issues: &mut Issues) {
        let _ = issues;
    }
    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError>;
}

/// Typed config of a processor.
pub trait ProcessorConfig: fmt::Debug + Send {
    fn validate(&self, issues: &mut Issues) {
        let _ = issues;
    }
    /// Whether it looks at the telemetry. Where no processor does, what came over the wire is not
    /// decoded.
    fn reads(&self) -> bool {
        true
    }
    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError>;
}

/// Typed config of an exporter.
pub trait ExporterConfig: fmt::Debug + Send {
    fn validate(&self, issues: &mut Issues) {
        let _ = issues;
    }
    /// Queue and retry around the exporter.
    fn sending(&self) -> crate::exporters::Sending;
    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Exporter>, BuildError>;
}

/// Typed config of a connector.
pub trait ConnectorConfig: fmt::Debug + Send {
    fn validate(&self, issues: &mut Issues) {
        let _ = issues;
    }
    /// The pipelines it sends to by name: each has to receive from it.
    fn pipelines(&self) -> Vec<&str> {
        Vec::new()
    }
    fn build(&self, context: Context) -> Result<Box<dyn Connector>, BuildError>;
}

/// Typed config of an extension.
pub trait ExtensionConfig: fmt::Debug + Send {
    fn validate(&self, issues: &mut Issues) {
        let _ = issues;
    }
    fn build(
        &self,
        context: Context,
        board: crate::telemetry::StatusBoard,
    ) -> Result<Box<dyn Extension>, BuildError>;
}

/// A component type: its names and how its section of the file becomes a config.
pub struct ComponentType<C: ?Sized + 'static, S: 'static = Signal> {
    /// The name upstream and this project use first.
    pub name: &'static str,
    /// Other names for the same type, accepted with one line in the log.
    pub aliases: &'static [&'static str],
    /// Signals it takes or gives, for a connector the pairs of both; empty for extensions.
    pub signals: &'static [S],
    /// Decodes and validates a section; errors go to the decoder.
    pub decode: fn(&mut Decoder<'_>) -> Option<Box<C>>,
}

pub type ReceiverType = ComponentType<dyn ReceiverConfig>;
pub type ProcessorType = ComponentType<dyn ProcessorConfig>;
pub type ExporterType = ComponentType<dyn ExporterConfig>;
/// The signals of a connector: of the pipelines it takes from, and of those it gives to.
pub type ConnectorType = ComponentType<dyn ConnectorConfig, (Signal, Signal)>;
pub type ExtensionType = ComponentType<dyn ExtensionConfig>;

macro_rules! decoder {
    ($name:ident, $trait:ident) => {
        /// The usual `decode` of a component type: `serde`, then `validate`.
        pub fn $name<T: $trait + DeserializeOwned + 'static>(
            decoder: &mut Decoder<'_>,
        ) -> Option<Box<dyn $trait>> {
            let config: T = decoder.decode()?;
            config.validate(&mut decoder.issues());
            Some(Box::new(config))
        }
    };
}
decoder!(decode_receiver, ReceiverConfig);
decoder!(decode_processor, ProcessorConfig);
decoder!(decode_exporter, ExporterConfig);
decoder!(decode_connector, ConnectorConfig);
decoder!(decode_extension, ExtensionConfig);
