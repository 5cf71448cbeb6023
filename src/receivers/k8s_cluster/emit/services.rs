//! Services and the endpoints behind them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Collection, M, Watches};
use crate::kube::objects::{Full, ServiceState, SliceState};
use crate::otlp::KeyValue;

/// The slices by namespace and service.
type Slices = HashMap<(Arc<str>, Arc<str>), Vec<Arc<Full<SliceState>>>>;

pub fn all(run: &mut Collection<'_>, watches: &Watches) {
    if !run.recorder.any_on(&[M::ServiceEndpoints, M::ServiceIngress]) {
        return;
    }
    let mut slices = Slices::new();
    for slice in watches.slices.all() {
        slices.entry((slice.namespace.clone(), slice.body.service.clone())).or_default().push(slice);
    }
    run.each(watches.services.all(), |run, service| one(run, service, &slices));
}

fn one(run: &mut Collection<'_>, service: &Full<ServiceState>, slices: &Slices) {
    let body = &service.body;
    run.int(M::ServiceIngress, body.ingress as i64);
    let mut counts: BTreeMap<(&str, &'static str, &str), i64> = BTreeMap::new();
    let own = slices.get(&(service.namespace.clone(), service.name.clone()));
    for slice in own.into_iter().flatten() {
        for endpoint in &slice.body.endpoints {
            for (condition, holds) in [
                ("ready", endpoint.ready),
                ("serving", endpoint.serving),
                ("terminating", endpoint.terminating),
            ] {
                let key = (&*slice.body.address_type, condition, &*endpoint.zone);
                *counts.entry(key).or_default() += i64::from(holds);
            }
        }
    }
    for ((address_type, condition, zone), count) in counts {
        let attributes = [
            KeyValue::fixed("k8s.service.endpoint.address_type", address_type),
            KeyValue::fixed("k8s.service.endpoint.condition", condition),
            KeyValue::fixed("k8s.service.endpoint.zone", zone),
        ];
        run.recorder.signed(M::ServiceEndpoints, attributes, count);
    }
    let mut attributes = run.attributes(service, "k8s.service.name", "k8s.service.uid");
    attributes
        .put_known("k8s.service.type", &body.kind)
        .put("k8s.service.publish_not_ready_addresses", body.publish_not_ready)
        .put_known("k8s.service.traffic_distribution", &body.traffic_distribution);
    run.push(attributes);
}
