//! Rounds of updaters against one fake server that is both API server and KloudMate API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::kube::Credentials;
use crate::net::tls::ClientTls;

/// What the fake knows and saw.
#[derive(Default)]
struct World {
    /// By path.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// What the API answers: status and body.
    answer: (u16, String),
    asked: Vec<Value>,
    keys: Vec<String>,
    /// Path with query, content type and body of each PATCH.
    patches: Vec<(String, String, Value)>,
    /// A GET of this path is followed by a change of another hand, once.
    meddle: Option<String>,
}

struct Fake {
    world: Arc<Mutex<World>>,
    address: String,
    server: Arc<tiny_http::Server>,
}

const MAP: &str = "/api/v1/namespaces/km-agent/configmaps/maps-node";
const CLUSTER_MAP: &str = "/api/v1/namespaces/km-agent/configmaps/maps-cluster";

impl Fake {
    fn start() -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let address = server.server_addr().to_ip().unwrap().to_string();
        let world = Arc::new(Mutex::new(World::default()));
        let fake = Self { world: world.clone(), address, server: server.clone() };
        for (path, file) in [(MAP, "agent-daemonset.yaml"), (CLUSTER_MAP, "agent-deployment.yaml")] {
            fake.put(
                path,
                json!({"metadata": {"name": path.rsplit('/').next()}, "data": {file: "old: 1\n"}}),
            );
        }
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                serve(&world, request);
            }
        });
        fake
    }

    fn put(&self, path: &str, mut object: Value) {
        let mut world = self.world.lock().unwrap();
        world.version += 1;
        object["metadata"]["resourceVersion"] = world.version.to_string().into();
        world.objects.insert(path.to_owned(), object);
    }

    fn answer(&self, status: u16, body: impl ToString) {
        self.world.lock().unwrap().answer = (status, body.to_string());
    }

    fn object(&self, path: &str) -> Value {
        self.world.lock().unwrap().objects[path].clone()
    }

    fn patches(&self) -> Vec<(String, String, Value)> {
        self.world.lock().unwrap().patches.clone()
    }

    fn updater(&self, more: &[(&str, &str)]) -> Updater {
        let update = format!("http://{}/agents/config-check", self.address);
        let mut variables = vec![
            ("KM_API_KEY", "the-key"),
            ("KM_CLUSTER_NAME", "prod"),
            ("KM_UPDATE_ENDPOINT", update.as_str()),
            ("KM_COLLECTOR_ENDPOINT", "http://127.0.0.1:1"),
            ("KM_NAMESPACE", "km-agent"),
            ("CONFIGMAP_DAEMONSET_NAME", "maps-node"),
            ("CONFIGMAP_DEPLOYMENT_NAME", "maps-cluster"),
        ];
        variables.extend(more);
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::from_variables(variables).unwrap();
        let restart = more.contains(&("RESTART", "yes"));
        let settings = Settings::from_environment(&environment, restart).unwrap();
        let access = Access {
            server: format!("http://{}", self.address),
            tls: ClientTls::default(),
            credentials: Credentials::None,
        };
        Updater::new(settings, environment, Client::new(access).connect(TIMEOUTS)).unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn serve(world: &Mutex<World>, mut request: tiny_http::Request) {
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).unwrap();
    let header = |name: &'static str| {
        let found = request.headers().iter().find(|header| header.field.equiv(name));
        found.map(|header| header.value.to_string()).unwrap_or_default()
    };
    let url = request.url().to_owned();
    let path = url.split('?').next().unwrap().to_owned();
    let mut world = world.lock().unwrap();
    let (status, answer) = match request.method() {
        tiny_http::Method::Post => {
            world.asked.push(serde_json::from_str(&body).unwrap());
            world.keys.push(header("Authorization"));
            world.answer.clone()
        }
        tiny_http::Method::Get => match world.objects.get(&path).cloned() {
            Some(object) => {
                if world.meddle.as_deref() == Some(&path) {
                    world.meddle = None;
                    world.version += 1;
                    let version = world.version.to_string();
                    world.objects.get_mut(&path).unwrap()["metadata"]["resourceVersion"] = version.into();
                }
                (200, object.to_string())
            }
            None => (404, json!({"message": "not found", "code": 404}).to_string()),
        },
        _ => {
            let patch: Value = serde_json::from_str(&body).unwrap();
            world.patches.push((url, header("Content-Type"), patch.clone()));
            patched(&mut world, &path, &patch)
        }
    };
    drop(world);
    let _ = request.respond(tiny_http::Response::from_string(answer).with_status_code(status));
}

fn patched(world: &mut World, path: &str, patch: &Value) -> (u16, String) {
    let Some(object) = world.objects.get_mut(path) else { return (404, "{}".to_owned()) };
    let expected = &patch["metadata"]["resourceVersion"];
    if !expected.is_null() && *expected != object["metadata"]["resourceVersion"] {
        return (409, json!({"message": "the object has been modified", "code": 409}).to_string());
    }
    merge(object, patch);
    world.version += 1;
    object["metadata"]["resourceVersion"] = world.version.to_string().into();
    (200, object.to_string())
}

fn merge(object: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return *object = patch.clone() };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}

/// A configuration that this build takes, told from others by its interval.
fn config(interval: u32) -> Value {
    json!({
        "receivers": {"hostmetrics": {"collection_interval": format!("{interval}s"), "scrapers": {"load": {}}}},
        "exporters": {"otlphttp": {"endpoint": "${env:KM_COLLECTOR_ENDPOINT}", "headers": {"Authorization": "${env:KM_API_KEY}"}}},
        "service": {"pipelines": {"metrics": {"receivers": ["hostmetrics"], "exporters": ["otlphttp"]}}},
    })
}

fn update(interval: u32) -> Value {
    json!({"restart_required": true, "config": {"daemonset_config": config(interval), "deployment_config": null}})
}

#[test]
fn the_api_is_told_what_runs_here_with_the_key() {
    let fake = Fake::start();
    fake.answer(200, "{}");
    fake.updater(&[("KM_LOGS_ENABLED", "true"), ("KM_K8S_MONITORED_NAMESPACES", "a,b")]).round();
    let world = fake.world.lock().unwrap();
    assert_eq!(world.keys, ["the-key"]);
    let told = &world.asked[0];
    for (name, value) in [
        ("platform", json!("k8s")),
        ("hostname", json!("prod")),
        ("logs_enabled", json!(true)),
        ("apm_enabled", json!(false)),
        ("namespaces", json!(["a", "b"])),
        ("k8s_deployments", json!([])),
        ("collector_status", json!("Running")),
        ("agent_version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(["amd64", "arm64"].contains(&told["architecture"].as_str().unwrap()));
}

#[test]
fn a_new_configuration_is_applied_once_and_the_last_one_kept() {
    let fake = Fake::start();
    fake.answer(200, update(30));
    let updater = fake.updater(&[]);
    updater.round();
    updater.round();
    let patches = fake.patches();
    assert_eq!(patches.len(), 1, "what is in place is not written again");
    let (url, content_type, _) = &patches[0];
    assert_eq!(content_type, "application/apply-patch+yaml");
    assert!(url.contains("fieldManager=kmagent-config-updater") && url.contains("force=true"), "{url}");
    let map = fake.object(MAP);
    let text = map["data"]["agent-daemonset.yaml"].as_str().unwrap();
    assert_eq!(serde_yaml::from_str::<Value>(text).unwrap(), config(30));
    assert!(!text.contains("the-key"), "secrets stay variables");
    assert_eq!(map["metadata"]["annotations"]["kmagent.io/last-good-config"], "old: 1\n");
    assert_eq!(fake.object(CLUSTER_MAP)["data"]["agent-deployment.yaml"], "old: 1\n");
}

#[test]
fn without_a_word_that_it_is_new_a_configuration_is_not_touched() {
    let fake = Fake::start();
    let mut answer = update(30);
    answer["restart_required"] = false.into();
    fake.answer(200, answer);
    fake.updater(&[]).round();
    assert!(fake.patches().is_empty());
}

#[test]
fn an_answer_that_is_no_good_changes_nothing() {
    let fake = Fake::start();
    let updater = fake.updater(&[("KM_APM_ENABLED", "true")]);
    let broken =
        |config: Value| json!({"restart_required": true, "config": {"daemonset_config": config}}).to_string();
    let mut unknown = config(30);
    unknown["receivers"]["nonsense"] = json!({});
    for (status, body) in [
        (200, "<html>maintenance</html>".to_owned()),
        (200, String::new()),
        (200, "[1, 2]".to_owned()),
        (200, "{\"restart_required\": \"perhaps\"}".to_owned()),
        (200, "null".to_owned()),
        (200, broken(json!("text"))),
        (200, broken(json!([]))),
        (200, broken(json!({}))),
        (200, broken(unknown)),
        (200, broken(json!({"receivers": 1}))),
        (200, format!("{{\"x\": \"{}\"}}", "x".repeat(5 << 20))),
        (401, "who are you".to_owned()),
        (500, update(30).to_string()),
    ] {
        fake.answer(status, &body);
        updater.round();
        assert!(fake.patches().is_empty(), "{status} {}", &body[..body.len().min(100)]);
    }
    assert_eq!(fake.object(MAP)["data"]["agent-daemonset.yaml"], "old: 1\n");
}

#[test]
fn a_problem_is_told_with_its_place() {
    let fake = Fake::start();
    fake.answer(403, "key expired");
    let updater = fake.updater(&[]);
    let error = updater.api.ask(&updater.settings, &[]).unwrap_err().to_string();
    assert!(error.contains("status 403: key expired; check KM_API_KEY"), "{error}");
    let mut unknown = config(30);
    unknown["receivers"]["hostmetrics"]["colection_interval"] = json!("1s");
    let target = updater.settings.target(Role::Daemonset).unwrap();
    let error = config_map::bring(&updater.kube, &updater.settings, &updater.environment, target, &unknown)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the running one stays") && error.contains("did you mean \"collection_interval\""),
        "{error}"
    );
}

#[test]
fn two_updaters_at_once_write_one_configuration_and_keep_the_right_last_one() {
    let fake = Fake::start();
    fake.answer(200, update(45));
    let updaters = [fake.updater(&[]), fake.updater(&[]), fake.updater(&[])];
    std::thread::scope(|scope| {
        for updater in &updaters {
            scope.spawn(|| (0..5).for_each(|_| updater.round()));
        }
    });
    let map = fake.object(MAP);
    let text = map["data"]["agent-daemonset.yaml"].as_str().unwrap();
    assert_eq!(serde_yaml::from_str::<Value>(text).unwrap(), config(45));
    assert_eq!(map["metadata"]["annotations"]["kmagent.io/last-good-config"], "old: 1\n");
}

#[test]
fn a_change_by_another_hand_in_between_is_read_again() {
    let fake = Fake::start();
    fake.answer(200, update(45));
    fake.world.lock().unwrap().meddle = Some(MAP.to_owned());
    fake.updater(&[]).round();
    assert_eq!(fake.patches().len(), 2, "refused, then taken");
    assert_ne!(fake.object(MAP)["data"]["agent-daemonset.yaml"], "old: 1\n");
}

#[test]
fn a_config_map_that_is_gone_is_said_and_the_other_role_goes_on() {
    let fake = Fake::start();
    fake.world.lock().unwrap().objects.remove(MAP);
    let mut answer = update(45);
    answer["config"]["deployment_config"] = config(50);
    fake.answer(200, answer);
    fake.updater(&[]).round();
    assert_ne!(fake.object(CLUSTER_MAP)["data"]["agent-deployment.yaml"], "old: 1\n");
}

#[test]
fn agents_are_restarted_after_a_change_where_that_is_asked_for() {
    let fake = Fake::start();
    let path = "/apis/apps/v1/namespaces/km-agent/daemonsets/km-agent";
    fake.put(path, json!({"metadata": {}, "spec": {"template": {}}}));
    fake.answer(200, update(45));
    let updater = fake.updater(&[("RESTART", "yes")]);
    updater.round();
    updater.round();
    let restarts: Vec<_> = fake.patches().into_iter().filter(|(url, ..)| url == path).collect();
    assert_eq!(restarts.len(), 1);
    assert_eq!(restarts[0].1, "application/merge-patch+json");
    let annotations = &fake.object(path)["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn instrumentation_is_set_and_taken_away_and_what_is_so_already_is_left() {
    let fake = Fake::start();
    let path = |kind: &str, name: &str| format!("/apis/apps/v1/namespaces/shop/{kind}/{name}");
    let annotated = json!({"metadata": {"name": "db"}, "spec": {"template": {"metadata": {"annotations": {
        "instrumentation.opentelemetry.io/inject-java": "km-agent/km-agent-instrumentation-crd", "keep": "me"}}}}});
    fake.put(&path("deployments", "api"), json!({"metadata": {"name": "api"}, "spec": {"template": {}}}));
    fake.put(&path("statefulsets", "db"), annotated.clone());
    fake.put(&path("daemonsets", "edge"), annotated);
    for kind in ["deployments", "statefulsets", "daemonsets"] {
        let list = json!({"metadata": {}, "items": [fake_item(kind)]});
        fake.put(&format!("/apis/apps/v1/namespaces/shop/{kind}"), list);
    }
    let wish = |name: &str, kind: &str, language: &str, enabled: bool| json!({"namespace": "shop", "deployment": name, "kind": kind, "language": language, "enabled": enabled});
    fake.answer(
        200,
        json!({"k8s": {"apm_enabled": true, "apm_settings": [
            wish("api", "ReplicaSet", "Python", true),
            wish("db", "STATEFULSET", "Java", false),
            wish("edge", "DaemonSet", "java", true),
            wish("x", "Pod", "java", true),
            wish("x", "Deployment", "cobol", true),
            wish("gone", "Deployment", "go", true),
            {"namespace": "elsewhere", "deployment": "api", "kind": "Deployment", "language": "go", "enabled": true},
        ]}}),
    );
    let updater = fake.updater(&[("KM_APM_ENABLED", "true"), ("KM_K8S_MONITORED_NAMESPACES", "shop")]);
    updater.round();
    updater.round();
    let urls: Vec<String> = fake.patches().into_iter().map(|(url, ..)| url).collect();
    assert_eq!(urls, [path("deployments", "api"), path("statefulsets", "db")], "once each");
    let annotations = |path: &str| fake.object(path)["spec"]["template"]["metadata"]["annotations"].clone();
    assert_eq!(
        annotations(&path("deployments", "api")),
        json!({"instrumentation.opentelemetry.io/inject-python": "km-agent/km-agent-instrumentation-crd"})
    );
    assert_eq!(annotations(&path("statefulsets", "db")), json!({"keep": "me"}));
    let told = fake.world.lock().unwrap().asked[0]["k8s_deployments"].clone();
    assert_eq!(told.as_array().unwrap().len(), 3);
    assert_eq!(told[0]["kind"], "Deployment");
    assert_eq!(told[0]["language"], "python");
}

fn fake_item(kind: &str) -> Value {
    json!({"metadata": {"name": kind, "namespace": "shop"}, "spec": {"template": {"spec": {"containers": [{"image": "python:3"}]}}}})
}

#[test]
fn the_key_is_in_no_output() {
    let fake = Fake::start();
    let updater = fake.updater(&[]);
    assert!(!format!("{:?}", updater.settings).contains("the-key"));
}
