//! The processor: finds the pod of each resource and adds what is known of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::association::{Id, Identified, address_of};
use super::fields::Field;
use super::metadata::Metadata;
use crate::component::{Next, Processor};
use crate::kube::objects::Pod;
use crate::otlp::attributes::find;
use crate::otlp::{Attributes, KeyValue, Resource};
use crate::pipeline::{Batch, Data, Stop};
use crate::telemetry::Counter;

/// Adds the attributes of the pods that resources come from.
pub struct Enrich {
    metadata: Arc<Metadata>,
    /// Attributes of the pods seen last, ready to be added.
    ready: HashMap<Id, Ready>,
    /// How long the first batch waits for the metadata.
    patience: Option<Duration>,
    abort: Stop,
    misses: Counter,
}

struct Ready {
    pod: Arc<Pod>,
    epoch: u64,
    attributes: Vec<KeyValue>,
}

/// Pods whose attributes are kept ready; more are made again when they are needed.
const READY: usize = 4096;

impl Enrich {
    pub fn new(metadata: Arc<Metadata>, patience: Duration, abort: Stop, misses: Counter) -> Self {
        Self { metadata, ready: HashMap::new(), patience: Some(patience), abort, misses }
    }

    fn wait_once(&mut self) {
        if let Some(patience) = self.patience.take()
            && let Err(why) = self.metadata.wait(patience, &self.abort)
        {
            // Whoever follows the cluster has warned of it already.
            log::info!("k8sattributes: going on without complete metadata: {why}");
        }
    }

    fn enrich(&mut self, attributes: &mut Vec<KeyValue>, peer: Option<IpAddr>) {
        let metadata = &*self.metadata;
        let identified = metadata.associations.identify(attributes, peer);
        let pod = identified.as_ref().and_then(|identified| metadata.index.get(identified.id));
        let (Some(Identified { id, .. }), Some(pod)) = (&identified, pod) else {
            if let Some(Identified { connection: Some(ip), .. }) = identified {
                self.misses.add(1);
                if metadata.rules.fields.has(Field::PodIp) {
                    attributes.set_default(Field::PodIp.name(), ip.to_string());
                }
            }
            metadata.rules.add_without_pod(attributes, metadata);
            return;
        };
        let epoch = metadata.epoch();
        if self.ready.len() >= READY && !self.ready.contains_key(id) {
            self.ready.clear();
        }
        let make =
            || Ready { pod: pod.clone(), epoch, attributes: metadata.rules.pod_attributes(&pod, metadata) };
        let ready = self.ready.entry(*id).or_insert_with(make);
        if !Arc::ptr_eq(&ready.pod, &pod) || ready.epoch != epoch {
            *ready = make();
        }
        // Keys of a pod are unique: only what the resource came with can have one of them.
        let given = attributes.len();
        attributes.reserve(ready.attributes.len());
        for attribute in &ready.attributes {
            if find(&attributes[..given], &attribute.key).is_none() {
                attributes.push(attribute.clone());
            }
        }
        metadata.rules.add_container(&pod, attributes);
    }
}

impl Processor for Enrich {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        self.wait_once();
        self.metadata.sweep(Instant::now());
        let peer = batch.peer;
        for_each_resource(batch.data_mut(), |resource| {
            let resource = resource.get_or_insert_default();
            self.enrich(&mut resource.attributes, peer);
        });
        next.send(batch);
    }
}

/// `passthrough: true`: only notes where the data came from, for a processor further on.
pub struct PassThrough;

impl Processor for PassThrough {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let peer = batch.peer;
        for_each_resource(batch.data_mut(), |resource| {
            let attributes = &mut resource.get_or_insert_default().attributes;
            if let Some((address, Some(_))) = address_of(attributes, peer) {
                attributes.set(Field::PodIp.name(), address);
            }
        });
        next.send(batch);
    }
}

fn for_each_resource(data: &mut Data, mut visit: impl FnMut(&mut Option<Resource>)) {
    match data {
        Data::Logs(all) => all.iter_mut().for_each(|one| visit(&mut one.resource)),
        Data::Metrics(all) => all.iter_mut().for_each(|one| visit(&mut one.resource)),
        Data::Traces(all) => all.iter_mut().for_each(|one| visit(&mut one.resource)),
    }
}
