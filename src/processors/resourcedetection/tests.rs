use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::Instant;

use super::environment::Names;
use super::*;
use crate::config::from_yaml;
use crate::otlp::AnyValue;
use crate::pipeline::{Ack, Data};
use crate::processors::testing::{attributes, issues, logs};

/// A host of the tests' own making.
struct FakeNames;

impl Names for FakeNames {
    fn kernel(&self) -> String {
        "node-1".into()
    }
    fn canonical(&self, host: &str) -> Option<String> {
        (host == "node-1").then(|| "node-1.example.com.".into())
    }
    fn addresses_of(&self, _: &str) -> Vec<IpAddr> {
        vec!["10.0.0.1".parse().unwrap()]
    }
    fn reverse(&self, address: IpAddr) -> Option<String> {
        (address.to_string() == "10.0.0.1").then(|| "reverse.example.com.".into())
    }
    fn own_addresses(&self) -> Vec<IpAddr> {
        vec!["fe80::1".parse().unwrap(), "10.0.0.1".parse().unwrap()]
    }
}

/// A host whose resolver knows nothing.
struct NoNames;

impl Names for NoNames {
    fn kernel(&self) -> String {
        "lonely".into()
    }
    fn canonical(&self, _: &str) -> Option<String> {
        None
    }
    fn addresses_of(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
    fn reverse(&self, _: IpAddr) -> Option<String> {
        None
    }
    fn own_addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// An address where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

fn environment() -> Environment {
    Environment {
        root: "/nonexistent".into(),
        variable: |_| None,
        names: Box::new(FakeNames),
        aws: NOBODY.into(),
        azure: NOBODY.into(),
        gcp: NOBODY.into(),
        docker_socket: "/nonexistent/docker.sock".into(),
        kube: Box::new(|_| Err(crate::kube::KubeError::NotInCluster)),
    }
}

fn detect(yaml: &str, environment: Environment) -> Vec<KeyValue> {
    let detection = Detection::start(from_yaml(yaml).unwrap(), environment);
    detection.wait(&Stop::never()).to_vec()
}

/// A server that answers requests by method and path, once it has seen the header it asks for.
fn metadata_server(header: &'static str, answers: &[(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answers: BTreeMap<_, _> = answers.iter().copied().collect();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let path = request.rsplit_once(' ').map_or("", |(start, _)| start);
            let allowed = headers.iter().any(|line| line.to_ascii_lowercase().starts_with(header));
            let (status, body) = match answers.get(path) {
                Some(body) if allowed => ("200 OK", *body),
                _ => ("404 Not Found", ""),
            };
            let length = body.len();
            let _ = write!(
                &stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

#[test]
fn the_system_detector_gives_name_and_type_by_default() {
    for (sources, want) in [
        ("[os]", "node-1"),
        ("[dns, os]", "node-1.example.com"),
        ("[cname]", "node-1.example.com"),
        ("[lookup]", "reverse.example.com"),
    ] {
        let yaml = format!("{{detectors: [system], system: {{hostname_sources: {sources}}}}}");
        let want = attributes(&[("host.name", want.into()), ("os.type", "linux".into())]);
        assert_eq!(detect(&yaml, environment()), want, "{sources}");
    }
}

#[test]
fn a_resolver_without_an_answer_falls_through_to_the_next_source() {
    let lonely = || Environment { names: Box::new(NoNames), ..environment() };
    let name = |sources: &str| {
        let yaml = format!("{{detectors: [system], system: {{hostname_sources: {sources}}}}}");
        detect(&yaml, lonely()).get_str("host.name").map(str::to_owned)
    };
    assert_eq!(name("[dns, cname, lookup, os]").as_deref(), Some("lonely"));
    assert_eq!(name("[dns, lookup]"), None);
}

#[test]
fn the_system_detector_reads_the_hosts_files_when_asked_to() {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in [
        ("etc/machine-id", "abc123\n"),
        ("etc/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"),
        (
            "proc/cpuinfo",
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Xeon\n\
             stepping\t: 7\ncache size\t: 1024 KB\n\nprocessor\t: 1\nvendor_id\t: Other\n",
        ),
        ("sys/class/net/lo/flags", "0x9\n"),
        ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
        ("sys/class/net/eth1/flags", "0x1003\n"),
        ("sys/class/net/eth1/ifindex", "3\n"),
        ("sys/class/net/eth1/address", "0a:1b:2c:3d:4e:5f\n"),
        ("sys/class/net/eth0/flags", "0x1003\n"),
        ("sys/class/net/eth0/ifindex", "2\n"),
        ("sys/class/net/eth0/address", "00:11:22:33:44:55\n"),
        ("sys/class/net/down/flags", "0x1002\n"),
        ("sys/class/net/down/address", "00:11:22:33:44:66\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let all: String = detectors::find("system")
        .unwrap()
        .attributes
        .iter()
        .map(|(name, _)| format!("{name}: {{enabled: true}}, "))
        .collect();
    let yaml = format!(
        "{{detectors: [system], system: {{hostname_sources: [os], resource_attributes: {{{all}}}}}}}"
    );
    let mut found = detect(&yaml, Environment { root: root.path().into(), ..environment() });
    let description = found.take("os.description").unwrap();
    assert!(description.as_str().unwrap().starts_with("Debian 12 (Linux "), "{description:?}");
    assert!(found.take("host.arch").is_some());
    let list = |items: &[&str]| AnyValue::Array(items.iter().map(|item| (*item).into()).collect());
    let want = attributes(&[
        ("host.name", "node-1".into()),
        ("os.type", "linux".into()),
        ("host.id", "abc123".into()),
        ("host.ip", list(&["fe80::1", "10.0.0.1"])),
        ("host.mac", list(&["00-11-22-33-44-55", "0A-1B-2C-3D-4E-5F"])),
        ("host.interface", list(&["eth0", "eth1"])),
        ("os.name", "Debian GNU/Linux".into()),
        ("os.version", "12".into()),
        ("host.cpu.vendor.id", "GenuineIntel".into()),
        ("host.cpu.family", "6".into()),
        ("host.cpu.model.id", "85".into()),
        ("host.cpu.model.name", "Xeon".into()),
        ("host.cpu.stepping", "7".into()),
        ("host.cpu.cache.l2.size", 1024.into()),
    ]);
    assert_eq!(found, want);
}

#[test]
fn this_host_has_a_name_and_addresses() {
    let yaml = "{detectors: [system], system: {hostname_sources: [os], \
                resource_attributes: {host.ip: {enabled: true}, os.type: {enabled: false}}}}";
    let found = detect(yaml, Environment::of_this_host());
    assert!(!found.get_str("host.name").unwrap().is_empty());
    assert!(!found.contains("os.type"));
}

#[test]
fn the_detector_listed_first_wins() {
    let variables =
        |name: &str| (name == "OTEL_RESOURCE_ATTRIBUTES").then(|| "host.name=from-env,team=a%20b".into());
    let found = |detectors: &str| {
        let yaml = format!("{{detectors: {detectors}, system: {{hostname_sources: [os]}}}}");
        let found = detect(&yaml, Environment { variable: variables, ..environment() });
        (found.get_str("host.name").unwrap().to_owned(), found.get_str("team").unwrap().to_owned())
    };
    assert_eq!(found("[env, system]"), ("from-env".into(), "a b".into()));
    assert_eq!(found("[system, env]"), ("node-1".into(), "a b".into()));
}

#[test]
fn clouds_are_recognised_by_their_metadata_service() {
    let aws = metadata_server(
        "x-aws-ec2-metadata-token",
        &[
            ("PUT /latest/api/token", "secret"),
            (
                "GET /latest/dynamic/instance-identity/document",
                r#"{"accountId":"123","availabilityZone":"eu-west-1a","imageId":"ami-1","instanceId":"i-1","instanceType":"m5.large","region":"eu-west-1","version":"2017"}"#,
            ),
            ("GET /latest/meta-data/hostname", "ip-10-0-0-1.ec2.internal"),
            ("GET /latest/meta-data/tags/instance", "Name\nteam\nkubernetes.io/cluster/shop"),
            ("GET /latest/meta-data/tags/instance/team", "blue"),
        ],
    );
    let azure = metadata_server(
        "metadata: true",
        &[(
            "GET /metadata/instance/compute?api-version=2020-09-01&format=json",
            r#"{"location":"westeurope","name":"vm-1","osProfile":{"computerName":"host-1"},"resourceGroupName":"MC_group_shop_westeurope","subscriptionId":"sub","vmId":"id-1","vmScaleSetName":"set","vmSize":"D2","tagsList":[]}"#,
        )],
    );
    let gcp = metadata_server(
        "metadata-flavor: google",
        &[(
            "GET /computeMetadata/v1/?recursive=true",
            r#"{"instance":{"attributes":{"cluster-name":"shop","cluster-location":"europe-west1"},"id":42,"name":"gke-1","hostname":"gke-1.c.p.internal","machineType":"projects/1/machineTypes/e2-medium","zone":"projects/1/zones/europe-west1-b"},"project":{"projectId":"p"}}"#,
        )],
    );
    let text = |key: &'static str, value: &str| (key, AnyValue::from(value));
    for (yaml, kubernetes, want) in [
        (
            "{detectors: [ec2], ec2: {tags: ['^team$']}}",
            false,
            vec![
                text("cloud.provider", "aws"),
                text("cloud.platform", "aws_ec2"),
                text("cloud.region", "eu-west-1"),
                text("cloud.account.id", "123"),
                text("cloud.availability_zone", "eu-west-1a"),
                text("host.id", "i-1"),
                text("host.image.id", "ami-1"),
                text("host.type", "m5.large"),
                text("host.name", "ip-10-0-0-1.ec2.internal"),
                text("ec2.tag.team", "blue"),
            ],
        ),
        ("{detectors: [eks]}", false, vec![]),
        (
            "{detectors: [eks], eks: {resource_attributes: {k8s.cluster.name: {enabled: true}}}}",
            true,
            vec![
                text("cloud.provider", "aws"),
                text("cloud.platform", "aws_eks"),
                text("k8s.cluster.name", "shop"),
            ],
        ),
        (
            "{detectors: [azure]}",
            false,
            vec![
                text("cloud.provider", "azure"),
                text("cloud.platform", "azure_vm"),
                text("host.name", "host-1"),
                text("cloud.region", "westeurope"),
                text("host.id", "id-1"),
                text("cloud.account.id", "sub"),
                text("azure.vm.name", "vm-1"),
                text("azure.vm.size", "D2"),
                text("azure.vm.scaleset.name", "set"),
                text("azure.resourcegroup.name", "MC_group_shop_westeurope"),
            ],
        ),
        (
            "{detectors: [aks], aks: {resource_attributes: {k8s.cluster.name: {enabled: true}}}}",
            true,
            vec![
                text("cloud.provider", "azure"),
                text("cloud.platform", "azure_aks"),
                text("k8s.cluster.name", "shop"),
            ],
        ),
        (
            "{detectors: [gcp]}",
            false,
            vec![
                text("cloud.provider", "gcp"),
                text("cloud.account.id", "p"),
                text("cloud.platform", "gcp_compute_engine"),
                text("cloud.region", "europe-west1"),
                text("cloud.availability_zone", "europe-west1-b"),
                text("host.type", "e2-medium"),
                text("host.id", "42"),
                text("host.name", "gke-1"),
            ],
        ),
        (
            "{detectors: [gcp]}",
            true,
            vec![
                text("cloud.provider", "gcp"),
                text("cloud.account.id", "p"),
                text("cloud.platform", "gcp_kubernetes_engine"),
                text("k8s.cluster.name", "shop"),
                text("cloud.region", "europe-west1"),
                text("host.id", "42"),
                text("host.name", "gke-1"),
            ],
        ),
    ] {
        let variable = match kubernetes {
            true => |name: &str| (name == "KUBERNETES_SERVICE_HOST").then(|| "10.0.0.1".to_owned()),
            false => |_: &str| None,
        };
        let found = detect(
            yaml,
            Environment {
                aws: aws.clone(),
                azure: azure.clone(),
                gcp: gcp.clone(),
                variable,
                ..environment()
            },
        );
        assert_eq!(found, attributes(&want), "{yaml}");
    }
}

#[test]
fn off_their_platform_detectors_find_nothing_and_are_quick_about_it() {
    let start = Instant::now();
    let all = "{detectors: [ec2, ecs, eks, elasticbeanstalk, lambda, azure, aks, gcp, heroku]}";
    assert!(detect(all, environment()).is_empty());
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn docker_is_asked_on_its_socket() {
    let directory = tempfile::tempdir().unwrap();
    let docker_socket = directory.path().join("docker.sock");
    let listener = UnixListener::bind(&docker_socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = BufReader::new(&stream).lines().next().unwrap().unwrap();
        assert_eq!(request, "GET /info HTTP/1.0");
        stream
            .write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"Name\":\"box\",\"OSType\":\"Linux\",\"ID\":1}")
            .unwrap();
    });
    let found = detect("{detectors: [docker]}", Environment { docker_socket, ..environment() });
    assert_eq!(found, attributes(&[("host.name", "box".into()), ("os.type", "linux".into())]));
}

#[test]
fn a_failing_detector_costs_its_own_attributes_and_no_waiting() {
    let start = Instant::now();
    let found = detect(
        "{detectors: [docker, system], timeout: 30s, system: {hostname_sources: [os]}}",
        environment(),
    );
    assert_eq!(found.get_str("host.name"), Some("node-1"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_silent_metadata_service_delays_the_first_batch_by_the_timeout_at_most() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let aws = format!("http://{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let found = detect("{detectors: [ec2, env], timeout: 200ms}", Environment { aws, ..environment() });
    assert!(found.is_empty());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn detection_is_repeated_when_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("etc")).unwrap();
    let machine_id = directory.path().join("etc/machine-id");
    fs::write(&machine_id, "first").unwrap();
    let yaml = "{detectors: [system], refresh_interval: 10ms, \
                system: {hostname_sources: [os], resource_attributes: {host.id: {enabled: true}}}}";
    let detection = Detection::start(
        from_yaml(yaml).unwrap(),
        Environment { root: directory.path().into(), ..environment() },
    );
    let id = || detection.wait(&Stop::never()).to_vec().get_str("host.id").unwrap_or_default().to_owned();
    assert_eq!(id(), "first");
    fs::write(&machine_id, "second").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while id() != "second" {
        assert!(Instant::now() < deadline, "is still {}", id());
        std::thread::yield_now();
    }
}

#[test]
fn override_says_who_wins() {
    for (yaml, want) in
        [("{detectors: [system]}", "node-1"), ("{detectors: [system], override: false}", "mine")]
    {
        let config: ResourceDetectionConfig = from_yaml(yaml).unwrap();
        let r#override = config.r#override;
        let mut config = config;
        config.system.hostname_sources = vec!["os".into()];
        let mut processor = ResourceDetection {
            detection: Arc::new(Detection::start(config, environment())),
            r#override,
            abort: Stop::never(),
        };
        let mut out = Vec::new();
        let batch = Batch::new(Data::Logs(vec![logs(&[("host.name", "mine".into())], &["a"])]), Ack::none());
        processor.process(batch, &mut |batch: Batch| out.push(batch));
        let mut expected = logs(&[("host.name", want.into()), ("os.type", "linux".into())], &["a"]);
        expected.schema_url = SCHEMA_URL.into();
        assert_eq!(out[0].data(), &Data::Logs(vec![expected]), "{yaml}");
    }
}

#[test]
fn bad_settings_are_refused_and_the_stock_ones_are_not() {
    for (yaml, want) in [
        ("{detectors: [nowhere]}", "invalid detector key: nowhere"),
        ("{detectors: [k8s_api]}", "not built yet"),
        ("{system: {hostname_sources: [magic]}}", "invalid hostname source \"magic\""),
        ("{system: {resource_attributes: {host.nam: {enabled: true}}}}", "is no attribute of this detector"),
        ("{ec2: {tags: ['(']}}", "bad regular expression"),
    ] {
        let found = issues::<ResourceDetectionConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    let stock = "{detectors: [env, system], override: false, timeout: 5s, \
                 system: {hostname_sources: [os], resource_attributes: {host.ip: {enabled: true}}}}";
    assert_eq!(issues::<ResourceDetectionConfig>(stock), "");
}

/// The surroundings of a pod whose API server is at `server`.
fn pod(server: String) -> Environment {
    Environment {
        variable: |name| (name == "K8S_NODE_NAME" || name == "MY_NODE").then(|| "node-a".to_owned()),
        kube: Box::new(move |_| {
            Ok(crate::kube::Access {
                server: server.clone(),
                tls: crate::net::tls::ClientTls::default(),
                credentials: crate::kube::Credentials::Token(Secret::new("t0ken")),
            })
        }),
        ..environment()
    }
}

#[test]
fn the_node_and_the_cluster_come_from_the_kubernetes_api() {
    let api = || {
        metadata_server(
            "authorization: bearer t0ken",
            &[
                ("GET /api/v1/nodes/node-a", r#"{"metadata": {"name": "node-a", "uid": "u-1"}, "spec": {}}"#),
                (
                    "GET /api/v1/namespaces/kube-system",
                    r#"{"metadata": {"name": "kube-system", "uid": "u-2"}}"#,
                ),
                (
                    "GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config",
                    r#"{"metadata": {}, "data": {"ClusterConfiguration": "apiServer: {}\nclusterName: prod\n"}}"#,
                ),
            ],
        )
    };
    assert_eq!(
        detect("{detectors: [k8snode, kubeadm], k8snode: {node_from_env_var: MY_NODE}}", pod(api())),
        attributes(&[
            ("k8s.node.uid", "u-1".into()),
            ("k8s.node.name", "node-a".into()),
            ("k8s.cluster.name", "prod".into()),
            ("k8s.cluster.uid", "u-2".into()),
        ])
    );
    let only = "{detectors: [kubeadm], kubeadm: {resource_attributes: {k8s.cluster.name: {enabled: false}}}}";
    assert_eq!(detect(only, pod(api())), attributes(&[("k8s.cluster.uid", "u-2".into())]));
}

#[test]
fn outside_of_kubernetes_or_without_permission_nothing_is_found_and_nothing_waits_long() {
    let began = Instant::now();
    let forbidden = metadata_server("authorization: bearer other", &[]);
    for environment in [environment(), pod(forbidden), pod(NOBODY.into())] {
        assert!(detect("{detectors: [k8snode, kubeadm], timeout: 300ms}", environment).is_empty());
    }
    assert!(began.elapsed() < Duration::from_secs(4));
}
