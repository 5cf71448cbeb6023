//! Whose flows they are: real cgroups, and pods of a served cluster.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use kmagent::kube::Namespaces;
use kmagent::receivers::ebpf::{Cluster, Scope};
use serde_json::json;

use super::{Watch, skip};
use crate::support::kube::{FakeKube, PODS, eventually, pod};

const UID: &str = "5c8b5f5e-7d2c-4c55-9b7e-52a0d7e1c111";

/// Kinds of trees.
const V2: &str = "cgroup2";
const V1: &str = "cgroup";

/// Folders of cgroups, removed at the end.
struct Cgroup {
    made: Vec<PathBuf>,
}

impl Cgroup {
    /// The cgroup of a container as the kubelet makes it; `None` when that cannot be. `tree` is how the
    /// line of its mount ends: cgroup v2, or the memory controller of v1.
    fn of_container(id: &str, tree: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let is_it = |line: &&str| {
            let (kind, options) =
                line.rsplit_once(" - ").map_or(("", ""), |(_, end)| end.split_once(' ').unwrap_or((end, "")));
            kind == tree && (tree == V2 || options.split([' ', ',']).any(|option| option == "memory"))
        };
        let root = mounts.lines().find(is_it)?.split(' ').nth(4)?.to_owned();
        let mut cgroup = Self { made: Vec::new() };
        let slice = format!("kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
        let mut folder = PathBuf::from(root);
        for part in
            [format!("kmagent-test-{}", std::process::id()), slice, format!("cri-containerd-{id}.scope")]
        {
            folder.push(part);
            fs::create_dir(&folder).ok()?;
            cgroup.made.push(folder.clone());
        }
        Some(cgroup)
    }

    fn folder(&self) -> &str {
        self.made.last().unwrap().to_str().unwrap()
    }

    /// Lets a process of the container send 100,000 bytes over a connection and end; the port they came to.
    fn send(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec 3<>/dev/tcp/127.0.0.1/{port} && head -c 100000 /dev/zero >&3",
            self.folder()
        );
        let mut child = Command::new("bash").args(["-c", &script]).spawn().unwrap();
        let mut all = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(all.len(), 100_000);
        port
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A cluster that has one pod, `web-7f9-abcde` of the deployment `web`, with that container.
fn cluster_with(id: &str) -> (FakeKube, Cluster) {
    let server = FakeKube::start();
    let mut served = pod("shop", "web-7f9-abcde", "10.213.200.5");
    served["metadata"]["uid"] = json!(UID);
    served["metadata"]["labels"] = json!({"pod-template-hash": "7f9", "app": "web"});
    served["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet", "name": "web-7f9", "uid": "u"}]);
    served["spec"]["nodeName"] = json!("node-a");
    served["spec"]["containers"] = json!([{"name": "nginx", "image": "nginx"}]);
    served["status"]["containerStatuses"] =
        json!([{"name": "nginx", "containerID": format!("containerd://{id}"), "restartCount": 0}]);
    server.put(PODS, served);
    server.put(
        "/api/v1/nodes",
        json!({
            "metadata": {"name": "node-a", "labels": {"topology.kubernetes.io/zone": "zone-1"}},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.213.200.1"}]}
        }),
    );
    let namespaces = Namespaces::default();
    let scope = Scope { node: "node-a", cluster_wide: false, namespaces: &namespaces, labels: &[] };
    let cluster = Cluster::follow(&server.client(), &scope).unwrap();
    eventually("the pod is known", || {
        cluster.at("10.213.200.5".parse().unwrap()).is_some() && cluster.is_node_known("node-a")
    });
    (server, cluster)
}

#[test]
fn flows_keep_their_pod_and_process_after_both_have_gone() {
    let id = format!("{:064x}", std::process::id());
    let (_server, cluster) = cluster_with(&id);
    let config = "{features: [flows, tcp], node: node-a}";
    let Some(mut watch) = Watch::start_in(config, &["flows", "tcp", "processes", "cgroups"], Some(cluster))
    else {
        return;
    };
    let Some(cgroup) = Cgroup::of_container(&id, V2) else {
        return skip("no cgroup can be made here").unwrap_or_default();
    };

    let port = cgroup.send();
    let folder = PathBuf::from(cgroup.folder());
    drop(cgroup);
    assert!(!folder.exists());

    let points = watch.read();
    let with = [
        ("server.port", port.as_str()),
        ("k8s.src.name", "web-7f9-abcde"),
        ("k8s.src.namespace", "shop"),
        ("k8s.src.type", "Pod"),
        ("k8s.src.owner.name", "web"),
        ("k8s.src.owner.type", "Deployment"),
        ("k8s.src.node.name", "node-a"),
        ("src.zone", "zone-1"),
        ("k8s.container.name", "nginx"),
        ("process.executable.name", "bash"),
    ];
    assert!(
        points.total("obi.network.flow.bytes", &with) > 100_000.0,
        "{:?}",
        points.of("obi.network.flow.bytes", &with[..1])
    );
    assert_eq!(points.total("kmagent.tcp.connections.opened", &with), 1.0);
    // The other end is the test itself, which is in no container: the node.
    let here = [
        ("server.port", port.as_str()),
        ("iface.direction", "ingress"),
        ("direction", "request"),
        ("k8s.dst.name", "node-a"),
    ];
    assert!(points.total("obi.network.flow.bytes", &here) > 100_000.0);
}

#[test]
fn without_cgroup_v2_connections_have_their_pod_by_the_memory_controller() {
    let id = format!("{:064x}", std::process::id() + 1);
    let (_server, cluster) = cluster_with(&id);
    let Some(cgroup) = Cgroup::of_container(&id, V1) else {
        return skip("no cgroup of v1 can be made here").unwrap_or_default();
    };
    let config = "{features: [tcp], node: node-a, cgroup_path: /nowhere}";
    let Some(mut watch) = Watch::start_in(config, &["tcp"], Some(cluster)) else { return };
    let port = cgroup.send();
    let points = watch.read();
    let with = [
        ("server.port", port.as_str()),
        ("k8s.src.name", "web-7f9-abcde"),
        ("k8s.src.owner.name", "web"),
        ("k8s.container.name", "nginx"),
        ("process.executable.name", "bash"),
    ];
    let opened = points.of("kmagent.tcp.connections.opened", &with[..1]);
    assert_eq!(points.total("kmagent.tcp.connections.opened", &with), 1.0, "{opened:?}");
}
