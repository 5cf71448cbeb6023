//! Role `node`: a target a node, its kubelet.

use super::labels::{address, put, put_metadata};
use super::stores::{Stores, all, get};
use crate::kube::objects::ClusterNode;
use crate::receivers::prometheus::scrape::LabelSet;

pub fn targets(stores: &Stores) -> Vec<LabelSet> {
    all(&stores.nodes).iter().filter_map(|node| target(node)).collect()
}

fn target(node: &ClusterNode) -> Option<LabelSet> {
    let mut set = address(&node.kubelet()?);
    set.push(("instance".to_owned(), node.name.to_string()));
    put(&mut set, "node_name", &node.name);
    put(&mut set, "node_provider_id", &node.provider_id);
    put_metadata(&mut set, "node", &node.labels, &node.annotations);
    for (n, (kind, address)) in node.addresses.iter().enumerate() {
        if !node.addresses[..n].iter().any(|(known, _)| known == kind) {
            put(&mut set, &format!("node_address_{kind}"), address);
        }
    }
    Some(set)
}

/// What `attach_metadata.node` adds.
pub fn attach(stores: &Stores, name: &str, set: &mut LabelSet) {
    if let Some(node) = get(&stores.nodes, "", name) {
        put(set, "node_name", &node.name);
        put_metadata(set, "node", &node.labels, &node.annotations);
    }
}
