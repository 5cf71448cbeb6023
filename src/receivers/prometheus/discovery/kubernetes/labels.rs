//! Labels that begin with `__meta_kubernetes_`.

use crate::kube::Kept;
use crate::kube::objects::TargetRef;
use crate::receivers::prometheus::scrape::LabelSet;

/// Adds a label unless its value is empty; the name is without `__meta_kubernetes_`.
pub fn put(set: &mut LabelSet, name: &str, value: &str) {
    if !value.is_empty() {
        set.push((format!("__meta_kubernetes_{name}"), value.to_owned()));
    }
}

/// Adds the labels and annotations of an object: each as it is, and that it is there.
pub fn put_metadata(set: &mut LabelSet, kind: &str, labels: &Kept, annotations: &Kept) {
    for (what, kept) in [("label", labels), ("annotation", annotations)] {
        for (name, value) in kept {
            let name = sanitized(name);
            put(set, &format!("{kind}_{what}_{name}"), value);
            put(set, &format!("{kind}_{what}present_{name}"), "true");
        }
    }
}

/// Adds what an address belongs to.
pub fn put_target(set: &mut LabelSet, kind: &str, target: Option<&TargetRef>) {
    if let Some(target) = target {
        put(set, &format!("{kind}_address_target_kind"), &target.kind);
        put(set, &format!("{kind}_address_target_name"), &target.name);
    }
}

pub fn put_flag(set: &mut LabelSet, name: &str, flag: Option<bool>) {
    if let Some(flag) = flag {
        put(set, name, if flag { "true" } else { "false" });
    }
}

/// A name of letters, digits and underscores.
pub fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Address and port, an IPv6 address in brackets.
pub fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The first label of every set.
pub fn address(address: &str) -> LabelSet {
    vec![("__address__".to_owned(), address.to_owned())]
}
