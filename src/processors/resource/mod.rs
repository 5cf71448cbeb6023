//! `resource`: actions on the attributes of resources.

use serde::Deserialize;

use super::actions::{self, ActionConfig, Actions};
use super::items;
use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::pipeline::{Batch, Signal};

pub static TYPE: ProcessorType = ProcessorType {
    name: "resource",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<ResourceConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceConfig {
    /// The actions, in order; required.
    attributes: Vec<ActionConfig>,
}

impl ProcessorConfig for ResourceConfig {
    fn validate(&self, issues: &mut Issues) {
        actions::validate(&self.attributes, "attributes", issues);
    }

    fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(ResourceProcessor { actions: actions::compile(&self.attributes).map_err(BuildError)? }))
    }
}

struct ResourceProcessor {
    actions: Actions,
}

impl Processor for ResourceProcessor {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        if items::any_resource(batch.data(), |attributes| self.actions.change(attributes)) {
            items::for_each_resource(batch.data_mut(), |resource, _| {
                self.actions.apply(&mut resource.attributes);
            });
        }
        next.send(batch);
    }
}
