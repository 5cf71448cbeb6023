//! `attributes`: actions on the attributes of log records, spans and data points.

use serde::Deserialize;

use super::actions::{self, ActionConfig, Actions};
use super::items;
use super::matching::{Filter, Properties};
use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::pipeline::{Batch, Signal};

pub static TYPE: ProcessorType = ProcessorType {
    name: "attributes",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<AttributesConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributesConfig {
    /// The actions, in order; required.
    actions: Vec<ActionConfig>,
    /// Only items that match are acted upon.
    include: Option<Properties>,
    /// Items that match are left alone; looked at after `include`.
    exclude: Option<Properties>,
}

impl ProcessorConfig for AttributesConfig {
    fn validate(&self, issues: &mut Issues) {
        actions::validate(&self.actions, "actions", issues);
    }

    fn build(&self, _: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(AttributesProcessor {
            actions: actions::compile(&self.actions).map_err(BuildError)?,
            filter: Filter::new(self.include.as_ref(), self.exclude.as_ref(), signal).map_err(BuildError)?,
        }))
    }
}

struct AttributesProcessor {
    actions: Actions,
    filter: Filter,
}

impl Processor for AttributesProcessor {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let takes = |subject: &items::Subject<'_>| self.filter.takes(subject);
        if items::any_attributes(batch.data(), takes, |attributes| self.actions.change(attributes)) {
            items::for_each_attributes(batch.data_mut(), takes, |attributes| self.actions.apply(attributes));
        }
        next.send(batch);
    }
}
