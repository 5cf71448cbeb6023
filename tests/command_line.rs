//! What people see of the command line: mistakes are one line each, with their place, exit code 1,
//! and nothing is started.

use crate::support::agent::command;

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Run {
    let output = command().args(args).envs(env.iter().copied()).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `kmagent run` (not `validate`: nothing must start) on a file of that text.
fn run_config(text: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, text).unwrap();
    let mut run = run(&["run", "--config", file.to_str().unwrap()], &[("SECRET_VALUE", "hush")]);
    run.err = run.err.replace(dir.path().to_str().unwrap(), "");
    run
}

/// A configuration that would run.
const GOOD: &str = "\
receivers:
  filelog: { include: [/nonexistent/*.log] }
processors:
  batch: { timeout: 1s }
exporters:
  otlphttp: { endpoint: \"http://127.0.0.1:1\" }
service:
  pipelines:
    logs: { receivers: [filelog], processors: [batch], exporters: [otlphttp] }
";

#[test]
fn every_mistake_is_one_line_with_its_place_and_exit_code_1() {
    let cases = [
        ("syntax error", GOOD.replace("[batch]", "[batch"), "/agent.yaml:10:1: not valid YAML"),
        ("unknown component", GOOD.replace("  filelog:", "  filelgo:"), "did you mean \"filelog\""),
        (
            "unknown key",
            GOOD.replace("timeout", "tiemout"),
            "/agent.yaml:4:12: processors::batch: unknown key \"tiemout\", did you mean \"timeout\"?",
        ),
        (
            "wrong type",
            GOOD.replace("1s", "[1s]"),
            "/agent.yaml:4:12: processors::batch::timeout: expected a duration",
        ),
        (
            "no receiver",
            GOOD.replace("[filelog]", "[]"),
            "service::pipelines::logs: must have at least one receiver",
        ),
        (
            "undefined component",
            GOOD.replace("[otlphttp]", "[otlphttp/2]"),
            "references exporter \"otlphttp/2\" which is not configured",
        ),
        ("no scheme", GOOD.replace("http://", ""), "exporters::otlphttp"),
    ];
    for (what, text, want) in cases {
        let run = run_config(&text);
        assert_eq!(run.code, 1, "{what}: {}", run.err);
        assert!(run.err.contains(want), "{what}: {}", run.err);
        assert!(run.err.lines().count() <= 3, "{what}: {}", run.err);
        assert_eq!(run.out, "", "{what}");
    }
}

#[test]
fn all_mistakes_are_reported_not_the_first_alone() {
    let text =
        GOOD.replace("timeout", "tiemout").replace("endpoint", "endpiont").replace("include", "inclode");
    let run = run_config(&text);
    for key in ["tiemout", "endpiont", "inclode"] {
        assert!(run.err.contains(key), "{key}: {}", run.err);
    }
}

#[test]
fn an_unreadable_file_is_an_error_that_names_it() {
    let run = run(&["validate", "--config", "/nonexistent/agent.yaml"], &[]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("/nonexistent/agent.yaml"), "{}", run.err);
}

#[test]
fn an_unset_variable_is_empty_and_warned_about() {
    let text = GOOD
        .replace("1s", "'${env:UNSET_TIMEOUT:-2s}'")
        .replace("/nonexistent/*.log", "'/nonexistent/${env:UNSET_DIR}/*.log'");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, text).unwrap();
    let run = run(&["print-config", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("UNSET_DIR") && !run.err.contains("UNSET_TIMEOUT"), "{}", run.err);
    assert!(run.out.contains("/nonexistent//*.log") && run.out.contains("2s"), "{}", run.out);
}

#[test]
fn a_good_file_validates_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, GOOD).unwrap();
    let run = run(&["validate", "--config", file.to_str().unwrap()], &[]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
}

#[test]
fn the_stock_configurations_are_valid_unmodified() {
    for file in ["daemonset", "deployment"] {
        let path = format!("{}/tests/fixtures/stock-configs/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let environment = [
            ("KM_COLLECTOR_ENDPOINT", "https://collector.example:4318"),
            ("KM_API_KEY", "hush-hush"),
            ("KM_CLUSTER_NAME", "lab"),
            ("KM_AGENT_VERSION", "1"),
            ("KM_NODE_NAME", "node-a"),
        ];
        let run = run(&["validate", "--config", &path], &environment);
        println!("{file}: {}", run.err);
        assert_eq!((run.code, run.out.as_str()), (0, ""), "{file}: {}", run.err);
        // They define components that no pipeline names, and that is all there is to say.
        for line in run.err.lines() {
            assert!(
                line.starts_with("warning: ") && line.ends_with("is in no pipeline and stays unused"),
                "{line}"
            );
        }
    }
}

#[test]
fn secrets_appear_in_no_output() {
    let text = GOOD.replace("endpoint:", "headers: { Authorization: \"${env:KM_API_KEY}\" }, endpoint:");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, &text).unwrap();
    let path = file.to_str().unwrap();
    let printed = run(&["print-config", "--config", path], &[("KM_API_KEY", "hush-hush")]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    assert!(printed.out.contains("[REDACTED]"), "{}", printed.out);
    let refused = run(
        &["run", "--config", path, "--set", "exporters.otlphttp.endpoint=${env:KM_API_KEY}"],
        &[("KM_API_KEY", "hush-hush")],
    );
    assert_eq!(refused.code, 1);
    for text in [printed.out, printed.err, refused.out, refused.err] {
        assert!(!text.contains("hush-hush"), "{text}");
    }
}

#[test]
fn the_version_names_commit_and_target() {
    let run = run(&["--version"], &[]);
    assert_eq!(run.code, 0);
    assert!(
        run.out.starts_with("kmagent 0.") && run.out.contains("commit") && run.out.contains("linux"),
        "{}",
        run.out
    );
}

#[test]
fn components_are_listed_with_their_signals() {
    let run = run(&["components"], &[]);
    for text in [
        "name: hostmetrics",
        "aliases: [host_metrics]",
        "signals: [metrics]",
        "name: otlphttp",
        "name: health_check",
    ] {
        assert!(run.out.contains(text), "{text} in {}", run.out);
    }
}

#[test]
fn a_taken_health_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap();
    let text = format!(
        "{GOOD}  extensions: [health_check]\nextensions:\n  health_check: {{ endpoint: \"{endpoint}\" }}\n"
    );
    let run = run_config(&text);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains(&format!("cannot listen on {endpoint}")) && run.err.contains("taken"),
        "{}",
        run.err
    );
}

#[test]
fn demo_once_prints_one_round_without_escapes_and_exits_0() {
    let run = run(&["demo", "--once"], &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    for text in ["CPU", "Memory", "Network", "metrics", "on the wire"] {
        assert!(run.out.contains(text), "{text} in {}", run.out);
    }
    assert!(!run.out.contains('\x1b'));
}
