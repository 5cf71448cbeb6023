//! One end of a flow, as far as the cluster knows it.

use std::sync::Arc;

use crate::kube::Interned;
use crate::kube::objects::{Owner, Pod};

/// What is known of an address or a socket. Texts are empty where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `Pod`, `Service` or `Node`.
    pub kind: &'static str,
    pub name: Interned,
    pub namespace: Interned,
    /// The workload: `Deployment` rather than `ReplicaSet`.
    pub owner_kind: Interned,
    pub owner_name: Interned,
    pub node: Interned,
    pub node_ip: Interned,
    pub zone: Interned,
    /// Name of the range of the configuration.
    pub cidr: Interned,
    /// The labels that the filters ask for.
    pub labels: Arc<[(Interned, Interned)]>,
}

impl Endpoint {
    pub fn of_pod(pod: &Pod) -> Self {
        let (owner_kind, owner_name) = workload(pod);
        Self {
            kind: "Pod",
            name: pod.name.clone(),
            namespace: pod.namespace.clone(),
            owner_kind,
            owner_name,
            node: pod.node.clone(),
            labels: pod.labels.iter().cloned().collect(),
            ..Self::default()
        }
    }

    pub fn is_known(&self) -> bool {
        !self.kind.is_empty()
    }
}

/// Label by which a Deployment tells its ReplicaSets apart.
pub const TEMPLATE_HASH: &str = "pod-template-hash";

/// The workload that a pod belongs to. What a controller makes for another one carries its name.
fn workload(pod: &Pod) -> (Interned, Interned) {
    let Some(Owner { kind, name, .. }) = pod.owners.first() else {
        return ("Pod".into(), pod.name.clone());
    };
    let hash = pod.labels.iter().find(|(key, _)| &**key == TEMPLATE_HASH).map(|(_, value)| value);
    if &**kind == "ReplicaSet"
        && let Some(hash) = hash
        && let Some(deployment) = name.strip_suffix(&**hash).and_then(|name| name.strip_suffix('-'))
    {
        return ("Deployment".into(), deployment.into());
    }
    // A CronJob's Jobs end in the minute they were due.
    if &**kind == "Job"
        && let Some((cron, minute)) = name.rsplit_once('-')
        && minute.len() >= 8
        && minute.bytes().all(|byte| byte.is_ascii_digit())
    {
        return ("CronJob".into(), cron.into());
    }
    (kind.clone(), name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::objects::PodNeeds;
    use crate::kube::{Object, Pool};

    fn endpoint(labels: &str, owner: &str) -> (String, String) {
        let json = format!(
            r#"{{"metadata":{{"name":"p","namespace":"shop","labels":{labels},"ownerReferences":{owner}}}}}"#
        );
        let mut needs = PodNeeds::default();
        needs.labels.add(TEMPLATE_HASH);
        let pod = Pod::parse(json.as_bytes(), &needs, &mut Pool::default()).unwrap().object;
        let endpoint = Endpoint::of_pod(&pod);
        (endpoint.owner_kind.to_string(), endpoint.owner_name.to_string())
    }

    #[test]
    fn the_workload_is_what_the_user_made() {
        for (labels, owner, kind, name) in [
            (
                r#"{"pod-template-hash":"7f9"}"#,
                r#"[{"kind":"ReplicaSet","name":"web-7f9"}]"#,
                "Deployment",
                "web",
            ),
            ("{}", r#"[{"kind":"ReplicaSet","name":"web-7f9"}]"#, "ReplicaSet", "web-7f9"),
            ("{}", r#"[{"kind":"Job","name":"backup-29137680"}]"#, "CronJob", "backup"),
            ("{}", r#"[{"kind":"Job","name":"import-2"}]"#, "Job", "import-2"),
            ("{}", r#"[{"kind":"StatefulSet","name":"db"}]"#, "StatefulSet", "db"),
            ("{}", "null", "Pod", "p"),
        ] {
            assert_eq!(endpoint(labels, owner), (kind.to_owned(), name.to_owned()), "{owner}");
        }
    }
}
