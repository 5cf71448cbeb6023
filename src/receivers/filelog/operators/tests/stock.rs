//! The operators of the stock configuration over lines recorded in a cluster. The golden file pins
//! what each kind of line becomes; `UPDATE_GOLDEN=1` writes it anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// Records of each file that the golden file shows.
const SHOWN: usize = 12;

/// The stock operators, with times that name no zone in UTC wherever the test runs.
fn stock_chain() -> Chain {
    let yaml = std::fs::read_to_string(format!("{FIXTURES}/stock/daemonset.yaml")).unwrap();
    let layout = "layout: '2006-01-02 15:04:05.999999999'";
    assert!(yaml.contains(layout));
    let yaml = yaml.replace(layout, &format!("{layout}\n        location: UTC"));
    let config: Node = from_yaml(&yaml).unwrap();
    let receiver = config.get("receivers").and_then(|all| all.get("filelog/containers")).unwrap();
    let operators = receiver.get("operators").unwrap().items();
    let whole: Node = from_yaml("{}").unwrap();
    let mut decoder = Decoder::new(&whole);
    let site = Site { first: true, trim_end: true, utf8: true };
    let plan = Plan::decode(operators, "operators", site, &mut decoder.issues());
    let found: Vec<String> = decoder.found().iter().map(ToString::to_string).collect();
    plan.unwrap_or_else(|| panic!("{}", found.join("\n"))).build()
}

/// The files that the stock `include` finds.
fn files(at: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            found.push(path);
        }
    }
}

/// The entries that the lines of a file become, with the file's place as it was on the node.
fn entries(file: &Path, id: u64) -> Vec<Entry> {
    let below = file.strip_prefix(format!("{FIXTURES}/k8s-logs")).unwrap();
    let source = source(&format!("/var/log/{}", below.display()), id);
    let bytes = std::fs::read(file).unwrap();
    let mut start = 0;
    let mut all = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let body = match std::str::from_utf8(text) {
            Ok(text) => AnyValue::from(text),
            Err(_) => AnyValue::Bytes(text.to_vec()),
        };
        all.push(Entry::new(&source, start, 1, body));
        start += line.len() as u64;
    }
    all
}

#[test]
fn recorded_lines_become_what_the_golden_file_says() {
    let mut found = Vec::new();
    files(Path::new(&format!("{FIXTURES}/k8s-logs/pods")), &mut found);
    found.sort();
    let mut golden = String::new();
    for (id, file) in found.iter().enumerate() {
        let came = entries(file, id as u64);
        let lines = came.len();
        let out = run(&mut stock_chain(), came);
        let name = file.strip_prefix(format!("{FIXTURES}/k8s-logs/pods")).unwrap().display();
        let _ = writeln!(golden, "# {name}: {lines} lines, {} records", out.len());
        for entry in out.iter().take(SHOWN) {
            let _ = writeln!(golden, "{}", show(entry));
        }
    }
    let path = format!("{FIXTURES}/k8s-logs/stock-operators.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &golden).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap();
    for (n, (got, want)) in golden.lines().zip(want.lines()).enumerate() {
        assert_eq!(got, want, "line {}", n + 1);
    }
    assert_eq!(golden.lines().count(), want.lines().count());
}

fn cri(text: &str) -> Entry {
    let source = source("/var/log/pods/shop_web_1-2/app/0.log", 1);
    Entry::new(&source, 0, 1, AnyValue::from(format!("2024-05-06T07:08:09.1Z stdout F {text}")))
}

fn stock(text: &str) -> Entry {
    let mut out = run(&mut stock_chain(), vec![cri(text)]);
    assert_eq!(out.len(), 1);
    out.remove(0)
}

#[test]
fn a_json_line_gives_time_severity_and_attributes() {
    let entry = stock(
        r#"{"time":"2024-05-06T09:00:00.5+02:00","level":"WARN","msg":"slow","user":{"id":7},"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}"#,
    );
    let shown = show(&entry);
    assert!(shown.starts_with("time=2024-05-06T07:00:00.5Z severity=13 text=WARN "), "{shown}");
    for part in [
        r#""log_level":"WARN""#,
        r#""message":"slow""#,
        r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736""#,
        r#""user":{"id":7.0}"#,
        r#""k8s.pod.name":"web""#,
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("parsed_json"), "{shown}");
}

#[test]
fn a_plain_line_gives_time_and_severity() {
    let shown = show(&stock("2024-05-06 07:00:00,250 ERROR boom trace_id=4bf92f3577b34da6a3ce929d0e0e4736"));
    // The pattern ends at the comma, as the configuration has it.
    assert!(shown.starts_with("time=2024-05-06T07:00:00Z severity=17 text=ERROR "), "{shown}");
    assert!(shown.contains(r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736""#), "{shown}");
    let shown = show(&stock("nothing to see"));
    assert!(
        shown.starts_with("time=2024-05-06T07:08:09.1Z severity=9 text=info \"nothing to see\""),
        "{shown}"
    );
}

/// A good timestamp stays although the other time parser fails on it.
#[test]
fn the_second_time_parser_does_not_undo_the_first() {
    let shown = show(&stock(r#"{"timestamp":"2024-05-06T07:00:00Z","msg":"x"}"#));
    assert!(shown.starts_with("time=2024-05-06T07:00:00Z severity=9"), "{shown}");
    // A number is no text: the time of the line stays.
    let shown = show(&stock(r#"{"ts":1714979289.5,"msg":"x"}"#));
    assert!(shown.starts_with("time=2024-05-06T07:08:09.1Z"), "{shown}");
}
