//! Reading plain files.

use std::time::Duration;

use super::rig::{Backend, Rig, attribute, lines, numbered};

#[test]
fn lines_are_read_once_and_in_order() {
    let mut rig = Rig::new("");
    rig.write("a.log", lines(0..3)).write("b.txt", "not included\n");
    assert_eq!(rig.poll().lines(), numbered(0..3));
    assert!(rig.poll().lines().is_empty());
    rig.append("a.log", lines(3..5));
    assert_eq!(rig.poll().lines(), numbered(3..5));
}

#[test]
fn start_at_end_applies_to_the_first_scan_alone() {
    let mut rig = Rig::new("start_at: end");
    rig.write("old.log", "old\n");
    assert!(rig.poll().lines().is_empty());
    rig.append("old.log", "new\n").write("later.log", "from its beginning\n");
    let mut lines = rig.poll().lines();
    lines.sort();
    assert_eq!(lines, ["from its beginning", "new"]);
}

#[test]
fn contrib_45120_nothing_is_committed_while_the_exporter_is_down() {
    let mut rig = Rig::new("");
    rig.backend = Backend::Silent;
    rig.write("a.log", lines(0..10)).poll();
    rig.restart(true).backend = Backend::Delivers;
    assert_eq!(rig.poll().lines(), numbered(0..10));
    rig.restart(true);
    assert!(rig.poll().lines().is_empty());
}

#[test]
fn a_refused_batch_is_read_and_sent_again_after_a_pause() {
    let mut rig = Rig::new("");
    rig.backend = Backend::Refuses;
    rig.write("a.log", lines(0..10)).poll();
    rig.backend = Backend::Delivers;
    assert!(rig.read().lines().is_empty(), "it waits before it tries again");
    assert_eq!(rig.pass(Duration::from_secs(1)).read().lines(), numbered(0..10));
}

#[test]
fn a_last_line_without_its_end_is_sent_when_nothing_comes() {
    let mut rig = Rig::new("");
    rig.write("a.log", "one\ntwo");
    assert_eq!(rig.poll().lines(), ["one"]);
    rig.pass(Duration::from_millis(400)).append("a.log", "-and-a-half");
    assert!(rig.poll().pass(Duration::from_millis(400)).poll().lines().is_empty());
    assert_eq!(rig.pass(Duration::from_millis(100)).read().read().lines(), ["two-and-a-half"]);
    rig.append("a.log", "\nthree\n");
    assert_eq!(rig.poll().lines(), ["three"]);
}

#[test]
fn blank_lines_make_no_record_and_blanks_are_trimmed() {
    let mut rig = Rig::new("");
    rig.write("a.log", "\n  \t\r\n  a  \r\n\nb\n");
    assert_eq!(rig.poll().lines(), ["a", "b"]);
    let mut rig = Rig::new("preserve_leading_whitespaces: true\npreserve_trailing_whitespaces: true");
    rig.write("a.log", "  a \r\n");
    assert_eq!(rig.poll().lines(), ["  a "]);
}

#[test]
fn container_lines_get_time_stream_and_pod() {
    let mut rig =
        Rig::new("include: ['DIR/*/*/*.log']\noperators: [{type: container}]\ninclude_file_path: true");
    rig.write(
        "shop_cart-1_c0ffee/cart/3.log",
        "2026-11-22T13:52:19.5Z stdout P one \n2026-11-22T13:52:20Z stderr F err\n2026-11-22T13:52:21Z stdout F two \n",
    );
    let batches = rig.poll().take();
    assert_eq!(batches.len(), 1);
    let resource = &batches[0].resource.as_ref().unwrap().attributes;
    let pod: Vec<_> = resource.iter().map(|a| (a.key.as_str(), a.value.as_str().unwrap())).collect();
    assert_eq!(
        pod,
        [
            ("k8s.namespace.name", "shop"),
            ("k8s.pod.name", "cart-1"),
            ("k8s.pod.uid", "c0ffee"),
            ("k8s.container.name", "cart"),
            ("k8s.container.restart_count", "3")
        ]
    );
    let records = &batches[0].scope_logs[0].log_records;
    let bodies: Vec<String> = records.iter().map(super::rig::body).collect();
    assert_eq!(bodies, ["err", "one two"]);
    assert_eq!(records[1].time_unix_nano, 1_795_355_539_500_000_000);
    assert_eq!(attribute(&records[1], "log.iostream").as_deref(), Some("stdout"));
    assert_eq!(attribute(&records[1], "logtag").as_deref(), Some("F"));
    assert!(attribute(&records[1], "log.file.path").unwrap().ends_with("cart/3.log"));
}

#[test]
fn a_scan_tells_what_nobody_reported() {
    let mut rig = Rig::new("");
    rig.write("a.log", lines(0..3)).poll();
    let place = rig.path("a.log").canonicalize().unwrap();
    let written = |rig: &mut Rig| rig.engine.written(&place, rig.now);
    rig.append("a.log", lines(3..5));
    written(&mut rig);
    assert!(rig.scan().engine.take_unread().is_empty(), "it was reported");
    rig.read().append("a.log", lines(5..7));
    assert_eq!(rig.scan().engine.take_unread(), std::slice::from_ref(&place));
    assert!(rig.read().scan().engine.take_unread().is_empty());
    assert_eq!(rig.lines(), numbered(0..7));
}
