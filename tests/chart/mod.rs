//! The Helm chart: what it renders is what the API server takes, asks for no right too many, and is
//! what `k8s/manifests` holds. Where helm is not installed these tests say so and pass.

mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use kmagent::agent::Environment;
use kmagent::config::{self, Source};
use kmagent::doctor::{Configuration, Facts, rights};
use serde_json::Value;

use crate::support::agent::command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub fn helm() -> Option<Command> {
    let name = std::env::var_os("HELM").unwrap_or_else(|| "helm".into());
    let found = Command::new(&name).arg("version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: helm is not installed (go install helm.sh/helm/v3/cmd/helm@v3)");
    }
    found.then(|| Command::new(name))
}

pub fn chart() -> PathBuf {
    Path::new(ROOT).join("k8s/chart")
}

/// The value sets, by name.
fn value_sets() -> Vec<(String, PathBuf)> {
    let mut sets: Vec<_> = std::fs::read_dir(chart().join("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    sets.sort();
    sets
}

/// What the chart makes of arguments, or what helm says against them.
pub fn render(arguments: &[&str]) -> Option<Result<Vec<Value>, String>> {
    let output = helm()?
        .args(["template", "release", chart().to_str().unwrap(), "--namespace", "km-agent"])
        .args(["--kube-version", "1.36.0"])
        .args(arguments)
        .output()
        .unwrap();
    if !output.status.success() {
        return Some(Err(String::from_utf8(output.stderr).unwrap()));
    }
    let objects = serde_yaml::Deserializer::from_slice(&output.stdout)
        .map(|document| <Value as serde::Deserialize>::deserialize(document).unwrap())
        .filter(|object| !object.is_null());
    Some(Ok(objects.collect()))
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// Every rule of every role of a component, as `group/resource: verbs`.
fn rules(objects: &[Value], component: &str) -> Vec<String> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let roles = objects.iter().filter(|object| {
        matches!(object["kind"].as_str(), Some("Role" | "ClusterRole"))
            && object["metadata"]["labels"]["app.kubernetes.io/component"] == component
    });
    let mut rules = Vec::new();
    for role in roles {
        let scope = role["metadata"]["namespace"].as_str().unwrap_or("*");
        for rule in role["rules"].as_array().unwrap() {
            let what = [list(&rule["resources"]), list(&rule["nonResourceURLs"])].concat();
            let named = if rule["resourceNames"].is_null() { "" } else { " (named)" };
            for resource in what {
                rules.push(format!("{scope} {resource}: {}{named}", list(&rule["verbs"]).join(",")));
            }
        }
    }
    rules.sort();
    rules
}

#[test]
fn the_chart_passes_lint_with_every_value_set() {
    for (name, path) in value_sets() {
        let Some(mut helm) = helm() else { return };
        helm.args(["lint", "--strict", "--kube-version", "1.36.0"]);
        let output = helm.arg(chart()).arg("-f").arg(path).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn every_value_set_renders_objects_that_the_api_server_takes() {
    let sets = value_sets();
    assert!(sets.len() >= 11, "{}", sets.len());
    let mut arguments: Vec<Vec<&str>> = vec![vec!["--set", "API_KEY=key"]];
    arguments.extend(sets.iter().map(|(_, path)| vec!["-f", path.to_str().unwrap()]));
    for arguments in arguments {
        let Some(rendered) = render(&arguments) else { return };
        let objects = rendered.unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        assert!(!objects.is_empty());
        for object in &objects {
            let problems = schema::check(object);
            assert!(problems.is_empty(), "{arguments:?}: {}: {problems:#?}", object["metadata"]["name"]);
        }
    }
}

#[test]
fn the_schema_check_finds_what_is_wrong() {
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {"x": 1}},
        "spec": {"ports": [{"prot": 1}], "sessionAffinity": true},
    });
    let problems = schema::check(&object).join("\n");
    for place in
        ["metadata.labels.x", "spec.ports[0].prot", "spec.ports[0]: lacks port", "spec.sessionAffinity"]
    {
        assert!(problems.contains(place), "{place} in {problems}");
    }
}

/// Values of the wrong type, and names that do not exist, are told by their place.
#[test]
fn a_wrong_value_is_an_error_that_names_it() {
    for (set, place) in [
        ("tolerations=all", "/tolerations"),
        ("featuresEnabled.logs=maybe", "/featuresEnabled/logs"),
        ("clusterNme=x", "clusterNme"),
        ("node.resources.limits.memory=lots", "/node/resources/limits/memory"),
        ("COLLECTOR_ENDPOINT=otel.example.com", "/COLLECTOR_ENDPOINT"),
        ("monitoredNamespaces=Shop", "/monitoredNamespaces"),
        ("image.digest=latest", "/image/digest"),
        ("cluster.service.type=Magic", "/cluster/service/type"),
        ("podSecurity.runAsUser=0", "/podSecurity/runAsUser"),
    ] {
        let Some(rendered) = render(&["--set", "existingSecret.name=x", "--set", set]) else { return };
        let error = rendered.expect_err(set);
        assert!(error.contains(place), "{set}: {error}");
    }
    let Some(rendered) = render(&[]) else { return };
    assert!(rendered.expect_err("no key").contains("API_KEY, or existingSecret.name"));
}

#[test]
fn a_role_gets_the_rights_of_its_features_and_no_more() {
    let Some(objects) = render(&["--set", "API_KEY=key"]) else { return };
    let objects = objects.unwrap();
    assert_eq!(
        rules(&objects, "node"),
        [
            "* nodes/metrics: get",
            "* nodes/pods: get",
            "* nodes/stats: get",
            "* nodes: list,watch",
            "* pods: list,watch",
            "* replicasets: get",
        ]
    );
    assert_eq!(rules(&objects, "updater"), ["km-agent configmaps: get,patch (named)"]);
    for (name, path) in value_sets() {
        let objects = render(&["-f", path.to_str().unwrap()]).unwrap().unwrap();
        for component in ["node", "cluster", "updater"] {
            for rule in rules(&objects, component) {
                // Replicas share a Lease.
                if rule.starts_with("km-agent leases: ") {
                    continue;
                }
                for never in ["nodes/proxy", "secrets", "pods/exec", "*:", "create", "delete", "update"] {
                    assert!(!rule.contains(never), "{name}: {component}: {rule}");
                }
            }
        }
    }
}

/// Each right that the doctor asks for is granted, and each that is granted is asked for.
#[test]
fn the_doctor_asks_for_what_the_chart_grants() {
    for (name, path) in value_sets() {
        let Some(objects) = render(&["-f", path.to_str().unwrap()]) else { return };
        let objects = objects.unwrap();
        for (component, file) in [("node", "agent-daemonset.yaml"), ("cluster", "agent-deployment.yaml")] {
            let config = of_kind(&objects, "ConfigMap").find_map(|map| map["data"][file].as_str());
            let granted = grants(&objects, component);
            let (Some(config), false) = (config, granted.is_empty()) else { continue };
            let asked = asked(config);
            for right in &asked {
                assert!(granted.contains(right), "{name}: {component}: {right} is not granted");
            }
            for right in &granted {
                assert!(asked.contains(right), "{name}: {component}: {right} is not asked for");
            }
        }
    }
}

/// `resource verb` of each right in the roles of a component.
fn grants(objects: &[Value], component: &str) -> BTreeSet<String> {
    let split = |rule: &String| {
        let (what, verbs) = rule.split_once(": ").unwrap();
        let resource = what.split_once(' ').unwrap().1.to_owned();
        let verbs = verbs.trim_end_matches(" (named)").split(',');
        verbs.map(|verb| format!("{resource} {verb}")).collect::<Vec<_>>()
    };
    rules(objects, component).iter().flat_map(split).collect()
}

/// `resource verb` of each right that the components of a configuration ask for.
fn asked(config: &str) -> BTreeSet<String> {
    let environment = Environment::from_variables(None).unwrap();
    let root = config::resolve(&[Source::Yaml(config.to_owned())], &environment).unwrap().root;
    let facts = Facts::new(environment, Configuration { root: Some(root), ..Configuration::default() });
    let used = facts.receivers().into_iter().chain(facts.processors()).chain(facts.extensions());
    let rights = used.flat_map(|used| rights::of(&used));
    rights.map(|right| format!("{} {}", right.name(), right.verb)).collect()
}

#[test]
fn with_monitored_namespaces_rights_within_namespaces_are_theirs_alone() {
    for set in ["namespaces-list-values.yaml", "namespaces-text-values.yaml"] {
        let path = chart().join("ci").join(set);
        let Some(objects) = render(&["-f", path.to_str().unwrap()]) else { return };
        let objects = objects.unwrap();
        for component in ["node", "cluster", "updater"] {
            for rule in rules(&objects, component).iter().filter(|rule| rule.starts_with("* ")) {
                let outside = ["nodes", "namespaces", "persistentvolumes:", "/metrics", "/readyz"];
                assert!(outside.iter().any(|name| rule[2..].starts_with(name)), "{component}: {rule}");
            }
        }
        assert!(rules(&objects, "node").contains(&"shop pods: list,watch".to_owned()));
        assert!(rules(&objects, "cluster").contains(&"payments events: list,watch".to_owned()));
        let map = of_kind(&objects, "ConfigMap").next().unwrap()["data"]["agent-daemonset.yaml"].to_string();
        assert!(map.contains("/var/log/pods/shop_*/*/*.log") && !map.contains("/var/log/pods/*/*/*.log"));
    }
}

#[test]
fn of_several_replicas_one_looks_at_the_cluster_and_all_take_otlp() {
    let set = chart().join("ci/replicas-values.yaml");
    let Some(objects) = render(&["-f", set.to_str().unwrap()]) else { return };
    let objects = objects.unwrap();
    let cluster = of_kind(&objects, "Deployment").find(|one| one["metadata"]["name"] == "km-agent-cluster");
    let spec = &cluster.unwrap()["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&3.into(), &"RollingUpdate".into()));
    assert!(spec["template"]["spec"]["topologySpreadConstraints"].is_array());
    assert_eq!(of_kind(&objects, "PodDisruptionBudget").next().unwrap()["spec"]["maxUnavailable"], 1);
    let config = of_kind(&objects, "ConfigMap").find_map(|map| map["data"]["agent-deployment.yaml"].as_str());
    let config: Value = serde_yaml::from_str(config.unwrap()).unwrap();
    assert_eq!(config["extensions"]["k8s_leader_elector"]["lease_name"], "km-agent-cluster");
    for (id, receiver) in config["receivers"].as_object().unwrap() {
        let elected = &receiver["k8s_leader_elector"];
        assert_eq!(elected.as_str(), (id != "otlp").then_some("k8s_leader_elector"), "{id}");
    }
    let rights = rules(&objects, "cluster");
    assert!(rights.contains(&"km-agent leases: get,update (named)".to_owned()), "{rights:?}");
    // One replica needs no Lease, and none that only takes OTLP does.
    let more = ["--set", "featuresEnabled.metrics=false", "--set", "featuresEnabled.events=false"];
    let otlp = [&["-f", set.to_str().unwrap()][..], &more].concat();
    for arguments in [&["--set", "API_KEY=key"][..], &otlp] {
        let objects = render(arguments).unwrap().unwrap();
        assert!(rules(&objects, "cluster").iter().all(|rule| !rule.contains("leases")));
    }
}

#[test]
fn no_pod_is_privileged_and_each_is_probed() {
    for (name, path) in value_sets() {
        let Some(objects) = render(&["-f", path.to_str().unwrap()]) else { return };
        let objects = objects.unwrap();
        let workloads = objects.iter().filter(|object| !object["spec"]["template"].is_null());
        for workload in workloads {
            let (what, pod) = (&workload["metadata"]["name"], &workload["spec"]["template"]["spec"]);
            assert!(pod["hostIPC"].is_null(), "{name} {what}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name} {what}");
            let container = &pod["containers"][0];
            let security = &container["securityContext"];
            assert!(security["privileged"].is_null(), "{name} {what}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name} {what}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name} {what}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{name} {what}");
            let key =
                container["env"].as_array().unwrap().iter().find(|env| env["name"] == "KM_API_KEY").unwrap();
            assert!(key["value"].is_null() && key["valueFrom"]["secretKeyRef"].is_object(), "{name} {what}");
            if workload["kind"] == "DaemonSet" || !security["capabilities"]["add"].is_null() {
                continue;
            }
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name} {what}");
        }
        for agent in of_kind(&objects, "DaemonSet") {
            let container = &agent["spec"]["template"]["spec"]["containers"][0];
            assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
            assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        }
    }
}

#[test]
fn capabilities_are_those_of_the_features() {
    let capabilities = |set: &str| -> Option<Value> {
        let path = chart().join("ci").join(set);
        let objects = render(&["-f", path.to_str().unwrap()])?.unwrap();
        let agent = of_kind(&objects, "DaemonSet").next().unwrap().clone();
        Some(
            agent["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
                .clone(),
        )
    };
    let Some(logs) = capabilities("logs-only-values.yaml") else { return };
    assert_eq!(logs, serde_json::json!(["DAC_READ_SEARCH"]));
    assert_eq!(
        capabilities("metrics-only-values.yaml").unwrap(),
        serde_json::json!(["DAC_READ_SEARCH", "SYS_PTRACE"])
    );
    assert_eq!(
        capabilities("network-only-values.yaml").unwrap(),
        serde_json::json!(["SYS_PTRACE", "BPF", "PERFMON", "NET_ADMIN", "SYS_RESOURCE"])
    );
}

/// The agent itself takes every configuration that the chart makes.
#[test]
fn every_rendered_configuration_is_valid() {
    for (name, path) in value_sets() {
        let Some(objects) = render(&["-f", path.to_str().unwrap()]) else { return };
        for map in of_kind(&objects.unwrap(), "ConfigMap") {
            for (file, text) in map["data"].as_object().unwrap() {
                let (true, mode) = (file.starts_with("agent-"), file.contains("daemonset")) else { continue };
                validate(&format!("{name}: {file}"), text.as_str().unwrap(), mode);
            }
        }
    }
}

#[test]
fn the_default_configurations_are_valid() {
    for (file, daemonset) in [("agent-daemonset.yaml", true), ("agent-deployment.yaml", false)] {
        let text = std::fs::read_to_string(Path::new(ROOT).join("k8s/config").join(file)).unwrap();
        validate(file, &text, daemonset);
    }
}

fn validate(what: &str, text: &str, daemonset: bool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.yaml");
    std::fs::write(&file, text).unwrap();
    let output = command()
        .args(["validate", "--config", file.to_str().unwrap()])
        .env("DEPLOYMENT_MODE", if daemonset { "DAEMONSET" } else { "DEPLOYMENT" })
        .envs([
            ("KM_API_KEY", "key"),
            ("KM_COLLECTOR_ENDPOINT", "https://otel.example.com:4318"),
            ("KM_CLUSTER_NAME", "cluster"),
            ("KM_NODE_NAME", "node-a"),
            ("KM_NODE_HOST_IP", "192.0.2.1"),
            ("POD_NAMESPACE", "km-agent"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let said: Vec<&str> = said
        .lines()
        // The pod has the service account that this machine lacks; a note is no fault.
        .filter(|line| !line.contains("serviceaccount/") && !line.starts_with("note: "))
        .collect();
    assert!(said.is_empty(), "{what}: {said:#?}");
}

#[test]
fn manifests_and_readme_are_what_the_chart_makes() {
    if helm().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(Path::new(ROOT).join("scripts/chart")).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = files(folder.path());
    let kept = files(&Path::new(ROOT).join("k8s"));
    assert!(made.len() > 5);
    for (name, text) in &made {
        let is = kept.iter().find(|(kept, _)| kept == name).map(|(_, text)| text);
        assert!(is == Some(text), "k8s/{name} is not what the chart makes: run scripts/chart");
    }
    let manifests =
        |all: &[(String, String)]| all.iter().filter(|(name, _)| name.starts_with("manifests/")).count();
    assert_eq!(manifests(&kept), manifests(&made), "k8s/manifests has a file too many: run scripts/chart");
}

/// The files below two folders deep that `scripts/chart` makes.
fn files(root: &Path) -> Vec<(String, String)> {
    let mut found = vec![("chart/README.md".to_owned(), root.join("chart/README.md"))];
    for entry in std::fs::read_dir(root.join("manifests")).unwrap() {
        let path = entry.unwrap().path();
        found.push((format!("manifests/{}", path.file_name().unwrap().to_str().unwrap()), path));
    }
    found.into_iter().map(|(name, path)| (name, std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn dashboards_are_json_with_a_query_in_each_panel() {
    let folder = chart().join("dashboards");
    let mut uids = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        uids.push(dashboard["uid"].as_str().unwrap().to_owned());
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(panels.len() >= 8, "{path:?}");
        for panel in panels {
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                assert!(query.contains("k8s_cluster_name=\"$cluster\""), "{path:?}: {query}");
                assert_eq!(query.matches('(').count(), query.matches(')').count(), "{path:?}: {query}");
            }
        }
    }
    uids.sort();
    assert_eq!(uids, ["kmagent-cluster", "kmagent-network", "kmagent-node", "kmagent-pod"]);
}
