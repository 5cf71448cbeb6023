use super::*;
use crate::config::stand_ins::{PERMISSIVE_PROCESSORS, REGISTRY};

struct Process;

impl Variables for Process {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "KM_API_KEY" => Some("s3cr3t-key"),
            "KM_COLLECTOR_ENDPOINT" => Some("https://otel.example.com:4318"),
            "KM_CLUSTER_NAME" => Some("test"),
            "KM_NODE_NAME" => Some("node-1"),
            "KM_AGENT_VERSION" => Some("1.0.0"),
            _ => None,
        }
    }
    fn is_secret(&self, name: &str) -> bool {
        name == "KM_API_KEY"
    }
}

/// Loads `text` as the file `agent.yaml`.
fn load_in(role: Role, text: &str) -> Result<Loaded, Vec<String>> {
    // The name in messages is the one that the user gave; a relative one is easy to compare.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.yaml");
    std::fs::write(&path, text).unwrap();
    let prefix = format!("{}/", dir.path().display());
    load(&[Source::File(path)], &Process, &REGISTRY, role)
        .map_err(|found| found.iter().map(|one| one.to_string().replace(&prefix, "")).collect())
        .map(|mut loaded| {
            for found in &mut loaded.found {
                let source = found.place.source.as_ref().map(|source| source.replace(&prefix, "").into());
                found.place.source = source;
            }
            loaded
        })
}

fn errors(text: &str) -> Vec<String> {
    match load_in(Role::Daemonset, text) {
        Ok(_) => panic!("is valid:\n{text}"),
        Err(found) => found,
    }
}

/// Loads, and returns the warnings and notes.
fn findings(role: Role, text: &str) -> (Loaded, Vec<String>) {
    let loaded = load_in(role, text).unwrap_or_else(|found| panic!("{found:#?}"));
    let found = loaded.found.iter().map(ToString::to_string).collect();
    (loaded, found)
}

const VALID: &str = "\
receivers:
  otlp:
processors:
  batch:
    timeout: 5
exporters:
  debug:
extensions:
  health_check:
service:
  extensions: [health_check]
  pipelines:
    logs:
      receivers: [otlp]
      processors: [batch]
      exporters: [debug]
";

fn changed(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from}");
    VALID.replace(from, to)
}

#[test]
fn a_valid_configuration_is_typed_components_and_pipelines() {
    let (loaded, found) = findings(Role::Daemonset, VALID);
    assert_eq!(found, [""; 0]);
    let id = |text: &str| text.parse::<ComponentId>().unwrap();
    assert_eq!(
        loaded.pipelines,
        [Pipeline {
            id: "logs".parse().unwrap(),
            receivers: vec![id("otlp")],
            processors: vec![id("batch")],
            exporters: vec![id("debug")],
        }]
    );
    assert_eq!(loaded.enabled_extensions, [id("health_check")]);
    assert_eq!(loaded.processors[&id("batch")].kind.name, "batch");
    assert_eq!(
        format!("{:?}", loaded.processors[&id("batch")].config),
        "StrictConfig { timeout: 5, endpoint: \"\" }"
    );
    assert!(loaded.connectors.is_empty());
}

#[test]
fn each_mistake_is_one_line_with_its_place() {
    for (from, to, want) in [
        ("otlp:\n", "otlp: [\n", "agent.yaml:3:1: not valid YAML: invalid indentation"),
        (
            "  otlp:\n",
            "  otpl:\n",
            "agent.yaml:2:3: receivers::otpl: unknown type \"otpl\", did you mean \"otlp\"? (valid types: ebpfreceiver, file_log, hostmetrics, k8s_cluster, k8s_events, k8sobjects, kubeletstats, otlp)",
        ),
        (
            "timeout: 5",
            "tiemout: 5",
            "agent.yaml:5:5: processors::batch: unknown key \"tiemout\", did you mean \"timeout\"?",
        ),
        (
            "timeout: 5",
            "timeout: 5s",
            "agent.yaml:5:14: processors::batch::timeout: expected an integer, found the text \"5s\"",
        ),
        ("timeout: 5", "timeout: 500", "agent.yaml:5:14: processors::batch::timeout: too long for"),
        (
            "      receivers: [otlp]\n",
            "",
            "agent.yaml:13:5: service::pipelines::logs: must have at least one receiver",
        ),
        (
            "      exporters: [debug]\n",
            "",
            "agent.yaml:13:5: service::pipelines::logs: must have at least one exporter",
        ),
        (
            "[otlp]",
            "[otlp/2]",
            "agent.yaml:14:19: service::pipelines::logs::receivers::0: references receiver \"otlp/2\" which is not configured, did you mean \"otlp\"?",
        ),
        (
            "[batch]",
            "[bach]",
            "agent.yaml:15:20: service::pipelines::logs::processors::0: references processor \"bach\" which is not configured, did you mean \"batch\"?",
        ),
        (
            "[batch]",
            "[batch, batch]",
            "agent.yaml:15:27: service::pipelines::logs::processors::1: references processor \"batch\" multiple times",
        ),
        (
            "[debug]",
            "[debug, otlp_http]",
            "agent.yaml:16:26: service::pipelines::logs::exporters::1: references exporter \"otlp_http\" which is not configured",
        ),
        (
            "[health_check]",
            "[health_check, file_storage]",
            "agent.yaml:11:30: service::extensions::1: references extension \"file_storage\" which is not configured",
        ),
        (
            "    logs:\n",
            "    logz:\n",
            "agent.yaml:13:5: service::pipelines: \"logz\" is no kind of telemetry: a pipeline is logs, metrics or traces, or one of them with a name, as in \"logs/2\"",
        ),
        (
            "extensions:\n  health",
            "extension:\n  health",
            "agent.yaml:8:1: unknown key \"extension\", did you mean \"extensions\"?",
        ),
        (
            "  extensions: [",
            "  telemetry: {metrics: {levl: none}}\n  extensions: [",
            "agent.yaml:11:25: service::telemetry::metrics: unknown key \"levl\", did you mean \"level\"?",
        ),
        (
            "  extensions: [",
            "  telemetry: {metrics: {readers: []}}\n  extensions: [",
            "agent.yaml:11:25: service::telemetry::metrics::readers: at least one reader is needed unless the level is \"none\"",
        ),
        (
            "timeout: 5",
            "endpoint: ${http:x}",
            "agent.yaml:5:15: processors::batch::endpoint: unsupported scheme \"http\" in \"${http:x}\" (valid: env, file, yaml)",
        ),
        (
            "  otlp:\n",
            "  otlp:\n  otlp:\n",
            "agent.yaml:3:3: receivers: duplicate key \"otlp\", first set at agent.yaml:2:3",
        ),
        (
            "  otlp:\n",
            "  otlp:\n  'otlp ':\n",
            "agent.yaml:3:3: receivers::otlp: duplicate name \"otlp\", first set at agent.yaml:2:3",
        ),
        (
            "  otlp:\n",
            "  otlp:\n  2x:\n",
            "agent.yaml:3:3: receivers: \"2x\" is no id: type \"2x\" must start with a letter and hold only letters, digits and \"_\", at most 63",
        ),
        (
            "  otlp:\n",
            "  otlp:\n    invalid: because\n",
            "agent.yaml:3:14: receivers::otlp::invalid: because",
        ),
        (
            "  debug:\n",
            "  debug:\n  logging:\n",
            "agent.yaml:8:3: exporters::logging: unknown type \"logging\": it is called \"debug\" now",
        ),
        (
            "service:\n",
            "---\nservice:\n",
            "agent.yaml:10:1: a second YAML document begins here: a configuration is one document, write it without \"---\"",
        ),
    ] {
        let errors: Vec<String> =
            errors(&changed(from, to)).into_iter().filter(|line| !line.ends_with("stays unused")).collect();
        let consequences = |line: &&String| {
            // What refers to a component that is misspelt is wrong as well.
            !line.contains("references receiver \"otlp\"")
                && !line.contains("references extension \"health_check\"")
        };
        assert_eq!(errors.iter().filter(consequences).collect::<Vec<_>>(), [want], "{to}");
    }
}

#[test]
fn sources_that_cannot_be_read_are_errors() {
    let error = |sources: &[Source]| -> Vec<String> {
        let found = resolve(sources, &Process).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        error(&[Source::File("/does/not/exist.yaml".into())]),
        ["/does/not/exist.yaml: cannot read the file: No such file or directory (os error 2)"]
    );
    assert_eq!(error(&[]), ["no configuration is given: name one with --config"]);
    assert_eq!(errors(""), ["agent.yaml: the configuration is empty"]);
    assert_eq!(
        errors("processors:\n  batch:\n"),
        [
            "agent.yaml:1:1: no receiver is configured",
            "agent.yaml:1:1: no exporter is configured",
            "agent.yaml:2:3: processors::batch: is in no pipeline and stays unused",
        ]
    );
    assert_eq!(
        errors("receivers: {otlp: }\nexporters: {debug: }\n"),
        [
            "agent.yaml:1:1: service: must have at least one pipeline",
            "agent.yaml:1:13: receivers::otlp: is in no pipeline and stays unused",
            "agent.yaml:2:13: exporters::debug: is in no pipeline and stays unused",
        ]
    );
}

#[test]
fn an_unset_variable_is_a_warning() {
    let (_, found) = findings(Role::Daemonset, &changed("timeout: 5", "endpoint: ${env:NOT_SET}"));
    assert_eq!(
        found,
        ["agent.yaml:5:15: processors::batch::endpoint: variable NOT_SET is not set and taken as empty"]
    );
}

#[test]
fn all_errors_of_all_components_are_reported() {
    let text = "\
receivers:
  otlp: {invalid: one}
  otlp/unused: {invalid: two}
  file_log:
processors:
  batch: {timeout: x, endpoint: [], other: 1}
exporters:
  debug:
service:
  pipelines:
    traces:
      receivers: [otlp, file_log, nothing]
      processors: [nothing]
      exporters: [debug, nothing]
";
    assert_eq!(
        errors(text),
        [
            "agent.yaml:2:19: receivers::otlp::invalid: one",
            "agent.yaml:3:3: receivers::otlp/unused: is in no pipeline and stays unused",
            "agent.yaml:3:26: receivers::otlp/unused::invalid: two",
            "agent.yaml:4:3: receivers::file_log: is in no pipeline and stays unused",
            "agent.yaml:6:3: processors::batch: is in no pipeline and stays unused",
            "agent.yaml:6:20: processors::batch::timeout: expected an integer, found the text \"x\"",
            "agent.yaml:6:23: processors::batch::endpoint: expected text, found a list",
            "agent.yaml:6:37: processors::batch: unknown key \"other\" (valid keys: timeout, endpoint)",
            "agent.yaml:12:25: service::pipelines::traces::receivers::1: receiver \"file_log\" does not support traces",
            "agent.yaml:12:35: service::pipelines::traces::receivers::2: references receiver \"nothing\" which is not configured",
            "agent.yaml:13:20: service::pipelines::traces::processors::0: references processor \"nothing\" which is not configured",
            "agent.yaml:14:26: service::pipelines::traces::exporters::1: references exporter \"nothing\" which is not configured",
        ]
    );
}

#[test]
fn either_name_of_a_type_works_and_an_alias_is_noted_once() {
    let text = "\
receivers: {filelog/a: , filelog/b: , file_log/c: }
exporters: {debug: }
service:
  pipelines:
    logs: {receivers: [filelog/a, filelog/b, file_log/c], exporters: [debug]}
";
    let (loaded, found) = findings(Role::Daemonset, text);
    assert_eq!(
        found,
        ["agent.yaml:1:13: receivers::filelog/a: \"filelog\" is another name of type \"file_log\""]
    );
    let ids: Vec<String> = loaded.receivers.keys().map(ToString::to_string).collect();
    assert_eq!(ids, ["file_log/c", "filelog/a", "filelog/b"]);
}

#[test]
fn what_no_pipeline_uses_is_one_warning_each() {
    let text = "\
receivers: {otlp: , otlp/2: }
processors: {batch: }
exporters: {debug: , debug/2: }
connectors: {forward: }
extensions: {health_check: }
service:
  pipelines:
    logs: {receivers: [otlp], exporters: [debug, debug]}
";
    assert_eq!(
        findings(Role::Daemonset, text).1,
        [
            "agent.yaml:1:21: receivers::otlp/2: is in no pipeline and stays unused",
            "agent.yaml:2:14: processors::batch: is in no pipeline and stays unused",
            "agent.yaml:3:22: exporters::debug/2: is in no pipeline and stays unused",
            "agent.yaml:4:14: connectors::forward: is in no pipeline and stays unused",
            "agent.yaml:5:14: extensions::health_check: is not listed in service::extensions and stays unused",
            "agent.yaml:8:50: service::pipelines::logs::exporters::1: references exporter \"debug\" multiple times",
        ]
    );
}

#[test]
fn a_connector_that_names_pipelines_is_named_by_each_of_them() {
    let text = |connector: &str| {
        format!(
            "receivers: {{otlp: }}
exporters: {{debug: }}
connectors:
  routing: {connector}
service:
  pipelines:
    logs/in: {{receivers: [otlp], exporters: [routing]}}
    logs/out: {{receivers: [routing], exporters: [debug]}}
    logs/other: {{receivers: [otlp], exporters: [debug]}}
"
        )
    };
    let route = |to: &str, default: &str| {
        text(&format!(
            "{{default_pipelines: [{default}], table: [{{condition: 'true', pipelines: [{to}]}}]}}"
        ))
    };
    assert_eq!(findings(Role::Daemonset, &route("logs/out", "logs / out")).1, Vec::<String>::new());
    let Err(found) = load_in(Role::Daemonset, &route("logs/outt", "logs/other")) else { panic!("names") };
    assert_eq!(
        found,
        [
            "agent.yaml:4:3: connectors::routing: sends to pipeline \"logs/other\", which does not name \"routing\" among its receivers",
            "agent.yaml:4:3: connectors::routing: sends to pipeline \"logs/outt\", which does not name \"routing\" among its receivers, did you mean \"logs/out\"?",
        ]
    );
}

#[test]
fn a_receiver_of_the_other_role_is_left_out() {
    let text = "\
receivers: {otlp: , ebpf: }
exporters: {debug: }
connectors: {forward: }
service:
  pipelines:
    metrics/a: {receivers: [otlp, ebpf], exporters: [debug]}
    metrics/b: {receivers: [ebpf], exporters: [forward]}
    metrics/c: {receivers: [forward], exporters: [debug]}
";
    let (loaded, found) = findings(Role::Deployment, text);
    assert_eq!(
        found,
        [
            "agent.yaml:1:21: receivers::ebpf: \"ebpf\" is another name of type \"ebpfreceiver\"",
            "agent.yaml:1:21: receivers::ebpf: does not run in the deployment role and is left out of the pipelines",
            "agent.yaml:7:5: service::pipelines::metrics/b: has no receiver left and does not run",
            "agent.yaml:8:5: service::pipelines::metrics/c: has no receiver left and does not run",
        ]
    );
    assert_eq!(loaded.pipelines.len(), 1);
    assert_eq!(loaded.pipelines[0].receivers, ["otlp".parse().unwrap()]);
    let (loaded, _) = findings(Role::Daemonset, text);
    assert_eq!(loaded.pipelines.len(), 3);
    let only = text.replace("otlp, ebpf]", "ebpf]").replace("{otlp: , ebpf: }", "{ebpf: }");
    let Err(found) = load_in(Role::Deployment, &only) else { panic!("it has nothing to run") };
    assert_eq!(
        found.iter().find(|line| line.contains(" service: ")).map(String::as_str),
        Some("agent.yaml:4:1: service: no pipeline is left that can run in this role")
    );
}

#[test]
fn connectors_join_pipelines_of_signals_they_support() {
    let text = |pipelines: &str| {
        format!(
            "receivers: {{otlp: }}\nexporters: {{debug: }}\nconnectors: {{forward: , count: }}\nservice:\n  pipelines:\n{pipelines}"
        )
    };
    let problems = |pipelines: &str| -> Vec<String> {
        let lines = match load_in(Role::Daemonset, &text(pipelines)) {
            Ok(_) => Vec::new(),
            Err(found) => found,
        };
        lines.into_iter().filter(|line| !line.ends_with("stays unused")).collect()
    };
    let good = "    logs: {receivers: [otlp], exporters: [forward, count]}\n    logs/2: {receivers: [forward], exporters: [debug]}\n    metrics: {receivers: [count], exporters: [debug]}\n";
    assert_eq!(problems(good), [""; 0]);
    assert_eq!(
        problems("    logs: {receivers: [otlp], exporters: [forward]}\n"),
        [
            "agent.yaml:3:14: connectors::forward: connector \"forward\" used as exporter in [logs] pipeline but not used in any supported receiver pipeline"
        ]
    );
    assert_eq!(
        problems("    logs: {receivers: [forward], exporters: [debug]}\n"),
        [
            "agent.yaml:3:14: connectors::forward: connector \"forward\" used as receiver in [logs] pipeline but not used in any supported exporter pipeline"
        ]
    );
    assert_eq!(
        problems(
            "    logs: {receivers: [otlp], exporters: [forward]}\n    metrics: {receivers: [forward], exporters: [debug]}\n"
        ),
        [
            "agent.yaml:3:14: connectors::forward: connector \"forward\" used as exporter in [logs] pipeline but not used in any supported receiver pipeline",
            "agent.yaml:3:14: connectors::forward: connector \"forward\" used as receiver in [metrics] pipeline but not used in any supported exporter pipeline",
        ]
    );
    assert_eq!(
        problems(
            "    metrics: {receivers: [otlp], exporters: [count]}\n    metrics/2: {receivers: [count], exporters: [debug]}\n"
        ),
        [
            "agent.yaml:3:25: connectors::count: connector \"count\" used as receiver in [metrics/2] pipeline but not used in any supported exporter pipeline",
            "agent.yaml:6:46: service::pipelines::metrics::exporters::0: exporter \"count\" does not support metrics",
        ]
    );
    assert_eq!(
        problems("    logs: {receivers: [otlp, forward], exporters: [forward]}\n"),
        [
            "agent.yaml:6:5: service::pipelines: cycle detected: pipelines \"logs\" -> \"logs\" feed each other"
        ]
    );
    let ambiguous =
        text("    logs: {receivers: [otlp], exporters: [debug]}\n").replace("count: }", "debug: }");
    assert_eq!(
        errors(&ambiguous).iter().filter(|line| line.contains("ambiguous")).collect::<Vec<_>>(),
        ["agent.yaml:3:25: connectors::debug: ambiguous id: \"debug\" is also in exporters"]
    );
}

#[test]
fn longer_cycles_are_found_and_diamonds_are_none() {
    let text = |connectors: &str, pipelines: &str| {
        format!(
            "receivers: {{otlp: }}\nexporters: {{debug: }}\nconnectors: {{{connectors}}}\nservice:\n  pipelines:\n{pipelines}"
        )
    };
    let cycle = text(
        "forward/a: , forward/b: ",
        "    logs/in: {receivers: [otlp], exporters: [forward/a]}\n    logs/a: {receivers: [forward/a, forward/b], exporters: [forward/b, debug]}\n",
    );
    assert_eq!(
        errors(&cycle),
        [
            "agent.yaml:7:5: service::pipelines: cycle detected: pipelines \"logs/a\" -> \"logs/a\" feed each other"
        ]
    );
    let diamond = text(
        "forward/a: , forward/b: , forward/c: ",
        "    logs/in: {receivers: [otlp], exporters: [forward/a, forward/b]}
    logs/a: {receivers: [forward/a], exporters: [forward/c]}
    logs/b: {receivers: [forward/b], exporters: [forward/c]}
    logs/out: {receivers: [forward/c], exporters: [debug]}
",
    );
    assert_eq!(findings(Role::Daemonset, &diamond).1, [""; 0]);
}

#[test]
fn later_sources_win_and_errors_name_the_source() {
    let sources = |texts: &[&str]| -> Vec<Source> {
        texts.iter().map(|text| Source::Yaml((*text).to_owned())).collect()
    };
    let mut all = sources(&[VALID, "processors::batch::endpoint: a"]);
    all.push(Source::set("processors.batch.timeout=7").unwrap());
    let loaded = load(&all, &Process, &REGISTRY, Role::Daemonset).ok().unwrap();
    assert_eq!(
        format!("{:?}", loaded.processors.values().next().unwrap().config),
        "StrictConfig { timeout: 7, endpoint: \"a\" }"
    );
    all.push(Source::set("processors.batch.timeout=x").unwrap());
    let Err(found) = load(&all, &Process, &REGISTRY, Role::Daemonset) else { panic!("x is no timeout") };
    assert_eq!(
        found[0].to_string(),
        "--set processors.batch.timeout: processors::batch::timeout: expected an integer, found the text \"x\""
    );
}

#[test]
fn no_secret_shows_in_findings_or_print_config() {
    for change in [
        "timeout: ${env:KM_API_KEY}",
        "timeout: 500\n    endpoint: x${env:KM_API_KEY}x",
        "${env:KM_API_KEY}: 1",
        "timeout: s3cr3t-key",
    ] {
        let text =
            changed("timeout: 5", change).replace("  debug:\n", "  debug: {api_key: '${env:KM_API_KEY}'}\n");
        let found = errors(&text).join("\n");
        assert!(!found.contains("s3cr3t-key"), "{found}");
    }
    let text = changed("timeout: 5", "endpoint: https://${env:KM_API_KEY}@host").replace(
        "  debug:\n",
        "  debug: {x: '${env:KM_API_KEY}', y: s3cr3t-key, z: '${env:KM_CLUSTER_NAME}'}\n",
    );
    let printed = load_in(Role::Daemonset, &text).ok().unwrap().resolved.to_yaml();
    assert!(!printed.contains("s3cr3t-key"), "{printed}");
    assert!(printed.contains("z: test"), "{printed}");
}

#[test]
fn the_stock_configurations_load_unmodified() {
    let registry = Registry { processors: PERMISSIVE_PROCESSORS, ..REGISTRY };
    for (file, role, pipelines) in
        [("daemonset.yaml", Role::Daemonset, 3), ("deployment.yaml", Role::Deployment, 5)]
    {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stock-configs/");
        let source = Source::File(format!("{path}{file}").into());
        let loaded = load(std::slice::from_ref(&source), &Process, &registry, role)
            .unwrap_or_else(|found| panic!("{found:#?}"));
        assert_eq!(loaded.pipelines.len(), pipelines, "{file}");
        assert_eq!(loaded.telemetry.metrics.endpoint(), None);
        let exporter = loaded.resolved.root.nearest("exporters::otlphttp");
        assert_eq!(exporter.get("endpoint").and_then(Node::as_str), Some("https://otel.example.com:4318"));
        assert_eq!(exporter.nearest("headers::Authorization").as_str(), Some("s3cr3t-key"));
        assert!(loaded.found.iter().all(|found| !found.is_error()), "{:#?}", loaded.found);

        // What print-config shows reads as the same, but for the key.
        let printed = loaded.resolved.to_yaml();
        assert!(!printed.contains("s3cr3t-key"));
        let again = resolve(&[Source::Yaml(printed)], &Process).unwrap_or_else(|found| panic!("{found:#?}"));
        let unmasked = |root: &Node| {
            let mut root = root.clone();
            root.walk(&mut |node| {
                node.original = None;
                if node.secret || node.text() == Some(secrets::REDACTED) {
                    node.value = super::super::node::Value::Null;
                    node.secret = false;
                }
            });
            root
        };
        assert_eq!(unmasked(&again.root), unmasked(&loaded.resolved.root), "{file}");
    }
    let source = Source::File(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stock-configs/deployment.yaml").into(),
    );
    let root = resolve(&[source], &Process).unwrap().root;
    // The default's quotes are part of the text, as upstream.
    assert_eq!(root.nearest("receivers::k8s_events::namespaces").as_str(), Some("\"all\""));
}
