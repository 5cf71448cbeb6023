//! The `nop` exporter: takes everything and sends it nowhere.

use serde::Deserialize;

use super::Sending;
use crate::component::{
    BuildError, ComponentType, Context, ExportError, Exporter, ExporterConfig, ExporterType, decode_exporter,
};
use crate::pipeline::{Batch, Signal, Stop};

pub static TYPE: ExporterType =
    ComponentType { name: "nop", aliases: &[], signals: &Signal::ALL, decode: decode_exporter::<NopConfig> };

/// Config of `nop`: there is nothing to set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NopConfig {}

impl ExporterConfig for NopConfig {
    fn sending(&self) -> Sending {
        Sending::default()
    }

    fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(Nop))
    }
}

struct Nop;

impl Exporter for Nop {
    fn export(&self, _: &Batch, _: &Stop) -> Result<(), ExportError> {
        Ok(())
    }

    fn sends_encoded(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_delivered_to_nowhere() {
        let batch = Batch::new(crate::pipeline::Data::Logs(Vec::new()), crate::pipeline::Ack::none());
        assert!(Nop.export(&batch, &Stop::never()).is_ok());
        assert!(NopConfig::default().sending().queue().is_none());
    }
}
