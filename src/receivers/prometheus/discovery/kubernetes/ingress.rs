//! Role `ingress`: a target a path of a host, for probes from outside.

use super::labels::{address, put, put_metadata};
use super::pod::attach;
use super::stores::{Stores, all};
use crate::kube::objects::Ingress;
use crate::receivers::prometheus::scrape::LabelSet;

pub fn targets(stores: &Stores) -> Vec<LabelSet> {
    let mut targets = Vec::new();
    for ingress in all(&stores.ingresses) {
        let mut shared = Vec::new();
        put(&mut shared, "namespace", &ingress.namespace);
        put(&mut shared, "ingress_name", &ingress.name);
        put(&mut shared, "ingress_class_name", &ingress.class);
        put_metadata(&mut shared, "ingress", &ingress.labels, &ingress.annotations);
        attach(stores, &ingress.namespace, &mut shared);
        for rule in &ingress.rules {
            let scheme = if is_secured(&ingress, &rule.host) { "https" } else { "http" };
            let whole: [Box<str>; 1] = ["/".into()];
            let paths = if rule.paths.is_empty() { &whole[..] } else { &rule.paths };
            for path in paths {
                let mut set = address(&rule.host);
                put(&mut set, "ingress_scheme", scheme);
                put(&mut set, "ingress_host", &rule.host);
                put(&mut set, "ingress_path", if path.is_empty() { "/" } else { path });
                set.extend(shared.iter().cloned());
                targets.push(set);
            }
        }
    }
    targets
}

fn is_secured(ingress: &Ingress, host: &str) -> bool {
    ingress.tls_hosts.iter().any(|tls| match tls.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => **tls == *host,
    })
}
