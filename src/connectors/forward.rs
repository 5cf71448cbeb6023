//! `forward`: hands the batches of some pipelines to others of the same signal.

use serde::Deserialize;

use crate::component::{
    BuildError, Connector, ConnectorConfig, ConnectorOutputs, ConnectorType, Context, decode_connector,
};
use crate::pipeline::{Batch, Signal};

pub static TYPE: ConnectorType = ConnectorType {
    name: "forward",
    aliases: &[],
    signals: &[
        (Signal::Logs, Signal::Logs),
        (Signal::Metrics, Signal::Metrics),
        (Signal::Traces, Signal::Traces),
    ],
    decode: decode_connector::<ForwardConfig>,
};

/// It has no keys.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardConfig {}

impl ConnectorConfig for ForwardConfig {
    fn build(&self, _context: Context) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(Forward))
    }
}

struct Forward;

impl Connector for Forward {
    fn process(&mut self, batch: Batch, outputs: &ConnectorOutputs) {
        if let Some(output) = outputs.by_signal.of(batch.signal()) {
            // False when the agent stops: the batch was refused through its acknowledgement.
            output.send(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::{Decoder, from_yaml};
    use crate::pipeline::{Ack, Consumer, Data, Output, Rejected};

    #[derive(Default)]
    struct Seen(Mutex<Vec<Signal>>);

    impl Consumer for Seen {
        fn consume(&self, batch: Batch) -> Result<(), Rejected> {
            self.0.lock().unwrap().push(batch.signal());
            Ok(())
        }
        fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
            self.consume(batch)
        }
    }

    #[test]
    fn a_batch_goes_to_every_pipeline_of_its_signal() {
        let (one, other, traces) =
            (Arc::new(Seen::default()), Arc::new(Seen::default()), Arc::new(Seen::default()));
        let mut outputs = ConnectorOutputs::default();
        outputs.by_signal.set(Signal::Logs, Output::new(vec![one.clone(), other.clone()]));
        outputs.by_signal.set(Signal::Traces, Output::new(vec![traces.clone()]));
        Forward.process(Batch::new(Data::Logs(Vec::new()), Ack::none()), &outputs);
        Forward.process(Batch::new(Data::Metrics(Vec::new()), Ack::none()), &outputs);
        assert_eq!(*one.0.lock().unwrap(), [Signal::Logs]);
        assert_eq!(*other.0.lock().unwrap(), [Signal::Logs]);
        assert!(traces.0.lock().unwrap().is_empty());
    }

    #[test]
    fn it_takes_no_keys() {
        let section = from_yaml("a: 1").unwrap();
        let mut decoder = Decoder::new(&section);
        assert!((TYPE.decode)(&mut decoder).is_none());
        assert_eq!(decoder.found()[0].message, "unknown key \"a\": there are no keys here");
    }
}
