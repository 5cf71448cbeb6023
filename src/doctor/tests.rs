//! The checks against a fake backend, a fake API server and made-up hosts.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::agent::Environment;
use crate::config::{self, Source};
use crate::kube::{Access, Client, Credentials};
use crate::net::tls::ClientTls;

/// Answers POSTs: reviews by whether their text is allowed, all else as a backend.
struct Fake {
    address: String,
    server: Arc<tiny_http::Server>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(status: u16, date: Option<&'static str>, denied: &'static [&'static str]) -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let fake = Self {
            address: server.server_addr().to_ip().unwrap().to_string(),
            server: server.clone(),
            asked: asked.clone(),
        };
        std::thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let (code, text) = if request.url().starts_with("/apis/") {
                    let review: Value = serde_json::from_str(&body).unwrap();
                    let spec = review["spec"].to_string();
                    let allowed = !denied.iter().any(|word| spec.contains(word));
                    asked.lock().unwrap().push(spec);
                    (201, json!({"status": {"allowed": allowed}}).to_string())
                } else {
                    (status, "says the backend".to_owned())
                };
                let mut response = tiny_http::Response::from_string(text).with_status_code(code);
                if let Some(date) = date {
                    response.add_header(tiny_http::Header::from_bytes("Date", date).unwrap());
                }
                let _ = request.respond(response);
            }
        });
        fake
    }

    /// Facts of an agent with that configuration, whose backend and API server this is.
    fn facts(&self, yaml: &str, variables: &[(&str, &str)], host: &Path) -> Facts {
        let endpoint = format!("http://{}", self.address);
        let mut all = vec![("KM_API_KEY", "key"), ("KM_COLLECTOR_ENDPOINT", endpoint.as_str())];
        all.extend(variables);
        let all = all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::from_variables(all).unwrap();
        let root = config::resolve(&[Source::Yaml(yaml.to_owned())], &environment).unwrap().root;
        let configuration = Configuration { root: Some(root), ..Configuration::default() };
        let access = Access { server: endpoint, tls: ClientTls::default(), credentials: Credentials::None };
        let elsewhere = Host { proc: host.join("proc"), sys: host.join("sys") };
        Facts::new(environment, configuration).elsewhere(elsewhere, Client::new(access))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn of<'a>(findings: &'a [Finding], check: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|finding| finding.check == check).collect()
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const EXPORTING: &str = "exporters: {otlphttp: {endpoint: '${env:KM_COLLECTOR_ENDPOINT}', headers: {Authorization: '${env:KM_API_KEY}'}}}";

/// A configuration with those receivers and processors in a pipeline.
fn pipeline(receivers: &str, processors: &str) -> String {
    let ids = |section: &str| {
        let map: Value = serde_yaml::from_str(section).unwrap();
        json!(map.as_object().unwrap().keys().collect::<Vec<_>>()).to_string()
    };
    format!(
        "receivers: {receivers}\nprocessors: {processors}\n{EXPORTING}\nservice: {{pipelines: {{metrics: {{receivers: {}, processors: {}, exporters: [otlphttp]}}}}}}\n",
        ids(receivers),
        ids(processors)
    )
}

#[test]
fn a_backend_that_takes_the_key_is_well_and_what_is_unused_is_skipped() {
    let (fake, folder) = (Fake::start(200, None, &[]), tempfile::tempdir().unwrap());
    let findings = examine(&fake.facts(&pipeline("{nop: {}}", "{}"), &[], folder.path()));
    assert!(is_well(&findings), "{findings:#?}");
    assert_eq!(of(&findings, "key")[0].message, "accepted");
    for check in ["kernel", "kubelet", "rbac", "mounts"] {
        assert_eq!(of(&findings, check)[0].status, Status::Skipped, "{check}");
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[test]
fn a_refused_key_a_wrong_path_and_a_dead_backend_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let examined = |status: u16| {
        let fake = Fake::start(status, None, &[]);
        examine(&fake.facts(&pipeline("{nop: {}}", "{}"), &[], folder.path()))
    };
    let refused = examined(401);
    assert_eq!(of(&refused, "endpoint")[0].status, Status::Ok);
    let key = of(&refused, "key")[0];
    assert!(
        key.status == Status::Failed && key.message.contains("says the backend") && !key.fix.is_empty(),
        "{key:?}"
    );
    assert!(!to_json(&refused).contains("\"key\": \"key\""));
    let elsewhere = examined(404);
    assert!(of(&elsewhere, "endpoint")[0].fix.contains("without /v1/logs"));

    let fake = Fake::start(200, None, &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let findings = examine(&fake.facts("{}", &[("KM_COLLECTOR_ENDPOINT", &dead)], folder.path()));
    let endpoint = of(&findings, "endpoint")[0];
    assert!(endpoint.status == Status::Failed && endpoint.fix.contains("firewalls"), "{endpoint:?}");
    assert_eq!(of(&findings, "key")[0].status, Status::Skipped);
}

#[test]
fn a_server_that_speaks_no_tls_is_a_finding_of_tls() {
    let (fake, folder) = (Fake::start(200, None, &[]), tempfile::tempdir().unwrap());
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let https = format!("https://{}", plain.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut socket, _) = plain.accept().unwrap();
        let _ = socket.read(&mut [0; 1024]);
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let findings = examine(&fake.facts("{}", &[("KM_COLLECTOR_ENDPOINT", &https)], folder.path()));
    answering.join().unwrap();
    assert_eq!(of(&findings, "tls")[0].status, Status::Failed, "{findings:#?}");
}

#[test]
fn a_clock_that_is_off_is_told_with_the_side_it_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(200, Some("Sat, 01 Jan 2000 00:00:00 GMT"), &[]);
    let findings = examine(&fake.facts(&pipeline("{nop: {}}", "{}"), &[], folder.path()));
    let clock = of(&findings, "clock")[0];
    assert!(clock.status == Status::Failed && clock.message.contains("ahead of the backend"), "{clock:?}");
}

#[test]
fn missing_rights_are_named_with_the_rule_that_grants_them() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(200, None, &["nodes", "\"shop\""]);
    let yaml = pipeline(
        "{kubeletstats: {auth_type: none, endpoint: 'http://127.0.0.1:1', extra_metadata_labels: [container.id]}}",
        "{k8sattributes: {extract: {metadata: [k8s.pod.name, k8s.deployment.uid]}}}",
    );
    let facts = fake.facts(&yaml, &[("KM_K8S_MONITORED_NAMESPACES", "shop,bank")], folder.path());
    let findings = examine(&facts);
    let rbac = of(&findings, "rbac");
    assert_eq!(rbac[0].message, "kubeletstats: may not get nodes/stats, get nodes/pods");
    assert_eq!(
        rbac[0].fix,
        "add to the ClusterRole: {apiGroups: [\"\"], resources: [nodes/stats], verbs: [get]}\n\
         add to the ClusterRole: {apiGroups: [\"\"], resources: [nodes/pods], verbs: [get]}"
    );
    assert!(rbac[1].message.contains("list pods in shop") && !rbac[1].message.contains("bank"), "{rbac:?}");
    assert!(rbac[1].message.contains("watch replicasets in shop"));
    assert_eq!(of(&findings, "kubelet")[0].status, Status::Failed);
    let asked = fake.asked.lock().unwrap().join("\n");
    assert!(
        asked.contains("\"namespace\":\"bank\"") && asked.contains("\"subresource\":\"stats\""),
        "{asked}"
    );
}

#[test]
fn mounts_are_looked_at_for_the_components_that_need_them() {
    let (fake, folder) = (Fake::start(200, None, &[]), tempfile::tempdir().unwrap());
    let at = folder.path().display().to_string();
    write(folder.path(), "pods/a.log", "");
    write(folder.path(), "sys/fs/cgroup/memory.max", "134217728\n");
    let yaml = pipeline(
        &format!(
            "{{hostmetrics: {{root_path: {at}/host, scrapers: {{}}}}, filelog/a: {{include: ['{at}/pods/*.log']}}, filelog/b: {{include: ['{at}/gone/*/*.log']}}}}"
        ),
        "{memory_limiter: {}}",
    ) + &format!(
        "extensions: {{file_storage: {{directory: {at}/state, create_directory: true}}}}\n"
    );
    let yaml = yaml.replace("service: {", "service: {extensions: [file_storage], ");
    let findings = examine(&fake.facts(&yaml, &[], folder.path()));
    let mounts: Vec<(Status, &str)> =
        of(&findings, "mounts").iter().map(|finding| (finding.status, finding.message.as_str())).collect();
    let status = |word: &str| mounts.iter().find(|(_, message)| message.contains(word)).unwrap().0;
    assert_eq!(status("host/proc/stat"), Status::Failed);
    assert_eq!(status("/pods"), Status::Ok);
    assert_eq!(status("/gone"), Status::Failed);
    assert_eq!(status("/state"), Status::Ok);
    assert_eq!(status("134217728"), Status::Ok);
    assert!(std::fs::read_dir(folder.path().join("state")).unwrap().next().is_none(), "left as it was");
}

#[test]
fn kernel_and_capabilities_are_judged_for_ebpf() {
    let (fake, folder) = (Fake::start(200, None, &[]), tempfile::tempdir().unwrap());
    let yaml =
        pipeline("{ebpf: {}, filelog: {include: [/tmp/*]}, hostmetrics: {scrapers: {process: {}}}}", "{}");
    write(folder.path(), "proc/sys/kernel/osrelease", "4.18.0-553.el8\n");
    // DAC_READ_SEARCH and BPF.
    write(folder.path(), "proc/self/status", "Name:\tkmagent\nCapEff:\t0000008000000004\n");
    let findings = examine(&fake.facts(&yaml, &[], folder.path()));
    let kernel = of(&findings, "kernel");
    assert!(kernel[0].status == Status::Failed && kernel[0].message.contains("4.18"), "{kernel:#?}");
    assert!(kernel[1].message.contains("btf"), "{kernel:#?}");
    let found: Vec<String> = of(&findings, "capabilities")
        .iter()
        .map(|finding| format!("{:?} {}", finding.status, finding.message))
        .collect();
    let is = |text: &str| assert!(found.iter().any(|line| line.starts_with(text)), "{text} in {found:#?}");
    is("Failed ebpf: PERFMON, NET_ADMIN, SYS_RESOURCE missing");
    is("Ok filelog");
    is("Warning hostmetrics: SYS_PTRACE missing");

    write(folder.path(), "proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    write(folder.path(), "sys/kernel/btf/vmlinux", "x");
    write(folder.path(), "proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    write(folder.path(), "proc/self/status", "CapEff:\t000001fffeffffff\n");
    let findings = examine(&fake.facts(&yaml, &[], folder.path()));
    assert!(
        of(&findings, "kernel")
            .iter()
            .chain(&of(&findings, "capabilities"))
            .all(|one| one.status == Status::Ok)
    );
}

#[test]
fn text_and_json_hold_every_finding_with_its_fix() {
    let findings = [
        Finding::ok("config", "valid"),
        Finding::failed("key", "refused", "mend it\nlike this"),
        Finding::warning("tls", "none", ""),
    ];
    let text = to_text(&findings);
    assert_eq!(
        text,
        "ok       config        valid\n\
         FAILED   key           refused\n\
         \x20                      > mend it\n\
         \x20                      > like this\n\
         warning  tls           none\n\
         \n\
         1 failed, 1 warnings\n"
    );
    let json: Value = serde_json::from_str(&to_json(&findings)).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(
        json["findings"][1],
        json!({"check": "key", "status": "failed", "message": "refused", "fix": "mend it\nlike this"})
    );
    assert!(!is_well(&findings) && is_well(&findings[..1]));
}

#[test]
fn an_invalid_configuration_fails_and_the_rest_is_looked_at() {
    let (fake, folder) = (Fake::start(200, None, &[]), tempfile::tempdir().unwrap());
    let mut facts = fake.facts(&pipeline("{nop: {}}", "{}"), &[], folder.path());
    facts.configuration.errors.push("agent.yaml:5:5: unknown key".to_owned());
    let findings = examine(&facts);
    assert!(
        of(&findings, "config")[0].status == Status::Failed && of(&findings, "key")[0].status == Status::Ok
    );
}
