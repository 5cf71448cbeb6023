//! What the tests of connectors share.

use std::str::FromStr;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;

use crate::component::{ConnectorConfig, ConnectorOutputs, Context, NoHost};
use crate::config::{ComponentId, Decoder, PipelineId, from_yaml};
use crate::pipeline::{Batch, Consumer, Data, Output, Rejected, Stop};
use crate::telemetry::{StatusBoard, Telemetry};

pub fn context(id: &str) -> Context {
    Context {
        id: ComponentId::from_str(id).unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle(&format!("connector:{id}")),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

/// A pipeline that keeps what it is given.
#[derive(Clone, Default)]
pub struct Collected(Arc<Mutex<Vec<Batch>>>);

impl Collected {
    pub fn items(&self) -> usize {
        self.0.lock().unwrap().iter().map(Batch::items).sum()
    }

    /// What has come so far.
    pub fn take(&self) -> Vec<Data> {
        self.0.lock().unwrap().drain(..).map(|batch| batch.into_parts().0).collect()
    }
}

impl Consumer for Collected {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

/// The outputs of a connector that these pipelines receive from.
pub fn outputs(pipelines: &[(&str, &Collected)]) -> ConnectorOutputs {
    let mut outputs = ConnectorOutputs::default();
    for signal in crate::pipeline::Signal::ALL {
        let of_signal = pipelines.iter().filter(|(id, _)| PipelineId::from_str(id).unwrap().signal == signal);
        let consumers: Vec<Arc<dyn Consumer>> =
            of_signal.map(|(_, collected)| Arc::new((*collected).clone()) as Arc<dyn Consumer>).collect();
        if !consumers.is_empty() {
            outputs.by_signal.set(signal, Output::new(consumers));
        }
    }
    for (id, collected) in pipelines {
        outputs.by_pipeline.insert((*id).to_owned(), Output::new(vec![Arc::new((*collected).clone())]));
    }
    outputs
}

/// What decoding and validating a section finds wrong; empty when nothing is.
pub fn issues<C: ConnectorConfig + DeserializeOwned + 'static>(yaml: &str) -> String {
    let node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    crate::component::decode_connector::<C>(&mut decoder);
    decoder.into_found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
