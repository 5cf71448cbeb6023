//! Processors: one folder or file a type. The table below is the one place that knows them all.

mod actions;
mod attributes;
mod batch;
mod cumulativetodelta;
mod deltatorate;
pub mod filter;
mod groupbyattrs;
mod groupbytrace;
mod isolationforest;
mod items;
pub mod k8sattributes;
mod literal;
mod matching;
mod memory_limiter;
mod metricstransform;
mod pattern;
mod probabilistic_sampler;
mod redaction;
mod resource;
mod resourcedetection;
mod span;
#[cfg(test)]
pub(crate) mod testing;
pub mod transform;

use crate::component::ProcessorType;

/// Every processor type of this build, sorted by name.
pub static TYPES: &[&ProcessorType] = &[
    &attributes::TYPE,
    &batch::TYPE,
    &cumulativetodelta::TYPE,
    &deltatorate::TYPE,
    &filter::TYPE,
    &groupbyattrs::TYPE,
    &groupbytrace::TYPE,
    &isolationforest::TYPE,
    &k8sattributes::TYPE,
    &memory_limiter::TYPE,
    &metricstransform::TYPE,
    &probabilistic_sampler::TYPE,
    &redaction::TYPE,
    &resource::TYPE,
    &resourcedetection::TYPE,
    &span::TYPE,
    &transform::TYPE,
];

#[cfg(test)]
mod tests;
