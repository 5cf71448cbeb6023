//! `k8sattributes`: adds to every resource what the cluster knows of the pod it comes from.
//!
//! The cluster is followed through `crate::kube`; [`metadata::Metadata`] holds what is known,
//! shared by all pipelines, [`index::PodIndex`] finds a pod by what a resource says of it, and
//! [`rules::Rules`] make attributes of it. Upstream: `processor/k8sattributesprocessor`.

mod association;
mod config;
mod enrich;
mod fields;
mod index;
mod labels;
mod metadata;
mod owners;
mod rules;

pub use config::K8sAttributesConfig;
pub use metadata::Metadata;

use std::sync::Arc;

use crate::component::{BuildError, Context, Processor, ProcessorType, decode_processor};
use crate::pipeline::Signal;

pub static TYPE: ProcessorType = ProcessorType {
    name: "k8sattributes",
    aliases: &["k8s_attributes"],
    signals: &Signal::ALL,
    decode: decode_processor::<K8sAttributesConfig>,
};

fn build(config: &K8sAttributesConfig, context: Context) -> Result<Box<dyn Processor>, BuildError> {
    if config.passthrough {
        return Ok(Box::new(enrich::PassThrough));
    }
    let metadata = Metadata::shared(config, &context.telemetry)?;
    if config.wait_for_metadata {
        metadata.wait(config.wait_for_metadata_timeout, &context.abort).map_err(|why| {
            BuildError::new(format!("wait_for_metadata: the metadata is not there in time: {why}"))
        })?;
    }
    Ok(processor(config, metadata, context))
}

/// The processor at work on metadata that is there already.
pub fn processor(
    config: &K8sAttributesConfig,
    metadata: Arc<Metadata>,
    context: Context,
) -> Box<dyn Processor> {
    let misses = context.telemetry.counter("otelsvc_k8s_ip_lookup_miss", &[]);
    Box::new(enrich::Enrich::new(metadata, config.wait_for_metadata_timeout, context.abort, misses))
}
