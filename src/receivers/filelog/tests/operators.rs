//! The operator list of a config, and the `container` operator over files.

use std::time::Duration;

use crate::config::{Decoder, Issues, Node, from_yaml};

use super::super::operators::{Plan, Site};
use super::rig::{Rig, attribute, body};

const SITE: Site = Site { first: true, trim_end: true, utf8: true };

fn decode(yaml: &str) -> bool {
    let node: Node = from_yaml("{}").unwrap();
    let mut decoder = Decoder::new(&node);
    let nodes: Vec<Node> = from_yaml(yaml).unwrap();
    let mut issues: Issues<'_> = decoder.issues();
    Plan::decode(&nodes, "operators", SITE, &mut issues).is_some()
}

#[test]
fn a_list_of_operators_is_checked_at_start() {
    for (yaml, sound) in [
        ("[]", true),
        ("[{type: container}]", true),
        ("[{type: container}, {type: container}]", true),
        ("[{type: container, id: a, output: b}, {type: container, id: b}]", true),
        ("[{type: container, output: [b, c]}, {type: container, id: b}, {type: container, id: c}]", true),
        ("[{type: container}, {type: container, id: last, on_error: send_quiet}]", true),
        // The second default id is container1.
        ("[{type: container, output: container1}, {type: container}]", true),
        ("[{type: recombine}]", false),
        ("[{type: k8s_metadata_decorator}]", false),
        ("[{id: x}]", false),
        ("[{type: container, surprise: 1}]", false),
        ("[{type: container, format: podman}]", false),
        ("[{type: container, on_error: explode}]", false),
        ("[{type: container, output: nobody}]", false),
        ("[{type: container, id: a}, {type: container, id: a}]", false),
        ("[{type: container, id: a, output: b}, {type: container, id: b, output: a}]", false),
        ("[{type: container, parse_from: attributes}]", false),
        ("[{type: container, parse_to: nowhere}]", false),
    ] {
        assert_eq!(decode(yaml), sound, "{yaml}");
    }
}

#[test]
fn docker_lines_and_their_parts() {
    let mut rig = Rig::new("include: ['DIR/*/*/*.log']\noperators: [{type: container}]");
    let line = |log: &str| {
        format!(
            "{{\"log\":\"{log}\",\"stream\":\"stderr\",\"time\":\"2026-11-22T13:52:19.5Z\",\"attrs\":{{\"tag\":\"t\"}}}}\n"
        )
    };
    rig.write("a_b_c0/d/0.log", line("one\\n") + &line("half ") + &line("and half\\n"));
    let records = rig.poll().records();
    assert_eq!(records.iter().map(body).collect::<Vec<_>>(), ["one\n", "half and half\n"]);
    assert_eq!(attribute(&records[0], "log.iostream").as_deref(), Some("stderr"));
    assert!(attribute(&records[0], "attrs").unwrap().contains("tag"));
    assert!(records.iter().all(|record| record.time_unix_nano == 1_795_355_539_500_000_000));
}

#[test]
fn what_the_operator_cannot_parse_is_never_lost_unless_asked_for() {
    let text =
        "no container line\n{\"log\": 1}\nyesterday stdout F text\n2026-11-22T13:52:19Z stdout F fine\n";
    let mut rig = Rig::new("operators: [{type: container}]");
    rig.write("a.log", text);
    // There is no pod in the path either: the lines are parsed and go on.
    assert_eq!(rig.poll().lines(), ["no container line", "{\"log\": 1}", "text", "fine"]);
    assert_eq!(rig.counter("otelcol_receiver_operator_errors"), 4);

    let mut rig =
        Rig::new("operators: [{type: container, on_error: drop, add_metadata_from_filepath: false}]");
    rig.write("a.log", text);
    assert_eq!(rig.poll().lines(), ["fine"]);
    assert_eq!(rig.counter("otelcol_receiver_dropped_log_records"), 3);
    rig.restart(true);
    assert!(rig.poll().lines().is_empty(), "dropped lines are committed too");
}

#[test]
fn beats_49259_a_flood_of_parts_in_many_streams_is_bounded() {
    let mut rig = Rig::new("include: ['DIR/*/*/*.log']\noperators: [{type: container, max_log_size: 0}]");
    let part = format!("2026-11-22T13:52:19Z stdout P {}\n", "x".repeat(16_384));
    for n in 0..20 {
        rig.write(&format!("a_b{n}_c0/d/0.log"), part.repeat(100));
    }
    rig.poll();
    let early: usize = rig.lines().iter().map(String::len).sum();
    assert!(20 * 100 * 16_384 - early <= (8 << 20) + 16_384, "at most 8 MiB wait");
    let late: usize = rig.pass(Duration::from_secs(6)).poll().lines().iter().map(String::len).sum();
    assert_eq!(early + late, 20 * 100 * 16_384);
}

#[test]
fn trailing_blanks_are_trimmed_from_whole_lines_not_from_parts() {
    let mut rig = Rig::new("include: ['DIR/*/*/*.log']\noperators: [{type: container}]");
    let line = |tag: &str, text: &str| format!("2026-11-22T13:52:19Z stdout {tag} {text}\n");
    rig.write(
        "a_b_c0/d/0.log",
        line("P", "a  ") + &line("F", "  b  ") + &line("F", "  c \t") + &line("F", ""),
    );
    assert_eq!(rig.poll().lines(), ["a    b", "  c", ""]);
}

#[test]
fn a_refused_batch_brings_back_the_parts_that_were_joined_for_it() {
    let mut rig = Rig::new("include: ['DIR/*/*/*.log']\noperators: [{type: container}]");
    let line = |stream: &str, tag: &str, text: &str| format!("2026-11-22T13:52:19Z {stream} {tag} {text}\n");
    rig.backend = super::rig::Backend::Silent;
    rig.write("a_b_c0/d/0.log", line("stdout", "P", "half ") + &line("stderr", "F", "err")).poll();
    rig.append("a_b_c0/d/0.log", line("stdout", "F", "and half")).poll();
    rig.backend = super::rig::Backend::Refuses;
    rig.answer();
    rig.backend = super::rig::Backend::Delivers;
    rig.pass(Duration::from_secs(2)).poll();
    assert_eq!(rig.lines(), ["err", "half and half"]);
}
