//! One test a key of the configuration.

use std::io::Write;
use std::time::Duration;

use super::rig::{Rig, attribute, body, lines, numbered, plan};

#[test]
fn every_key_decodes_and_has_its_default() {
    let all = "
include: [/var/log/*.log]
exclude: ['/**/*.gz']
exclude_older_than: 24h
start_at: beginning
multiline: {line_start_pattern: '^\\d', omit_pattern: false}
force_flush_period: 1s
encoding: utf-8
preserve_leading_whitespaces: true
preserve_trailing_whitespaces: true
include_file_name: false
include_file_path: true
include_file_name_resolved: true
include_file_path_resolved: true
include_file_owner_name: true
include_file_owner_group_name: true
include_file_permissions: true
include_file_record_number: true
include_file_record_offset: true
poll_interval: 1s
fingerprint_size: 2kb
initial_buffer_size: 16KiB
max_log_size: 1MiB
max_log_size_behavior: truncate
max_concurrent_files: 512
max_batches: 2
acquire_fs_lock: true
attributes: {a: b}
resource: {c: d}
operators: [{type: container, id: x, format: containerd, on_error: drop_quiet, max_log_size: 0}]
storage: file_storage
header: {pattern: '^#', metadata_operators: [{type: container}]}
retry_on_failure: {enabled: true, initial_interval: 2s, max_interval: 1m, max_elapsed_time: 0}
ordering_criteria: {regex: '(?P<n>\\d+)', top_n: 2, sort_by: [{sort_type: numeric, regex_key: n, ascending: true}]}
compression: auto
polls_to_archive: 3
on_truncate: read_new
";
    assert!(plan(all).is_some());
    let settings = plan("include: [/a]").unwrap().settings;
    assert_eq!(settings.poll_interval, Duration::from_millis(200));
    assert_eq!(settings.force_flush, Duration::from_millis(500));
    assert_eq!((settings.fingerprint_size, settings.max_log_size, settings.max_open), (1000, 1 << 20, 1024));
    assert!(settings.from_end);
}

#[test]
fn what_makes_no_sense_is_refused_at_start() {
    for yaml in [
        "{}",
        "include: []",
        "include: ['/a/[b']",
        "include: [/a]\nexclude: ['']",
        "include: [/a]\nencoding: klingon",
        "include: [/a]\nfingerprint_size: 15",
        "include: [/a]\nmax_log_size: 0",
        "include: [/a]\nmax_concurrent_files: 0",
        "include: [/a]\nstart_at: middle",
        "include: [/a]\nmultiline: {line_start_pattern: '^a', line_end_pattern: 'b$'}",
        "include: [/a]\nmultiline: {line_start_pattern: '('}",
        "include: [/a]\ndelete_after_read: true",
        "include: [/a]\nstart_at: beginning\ndelete_after_read: true\npolls_to_archive: 2\nstorage: file_storage",
        "include: [/a]\npolls_to_archive: 2",
        "include: [/a]\nheader: {pattern: '^#', metadata_operators: [{type: container}]}",
        "include: [/a]\nstart_at: beginning\nheader: {pattern: '^#'}",
        "include: [/a]\nordering_criteria: {sort_by: [{sort_type: numeric, regex_key: n}]}",
        "include: [/a]\nordering_criteria: {regex: '(?P<m>x)', sort_by: [{sort_type: numeric, regex_key: n}]}",
        "include: [/a]\nstorage: '/x'",
        "include: [/a]\nsurprise: 1",
    ] {
        assert!(plan(yaml).is_none(), "{yaml}");
    }
}

#[test]
fn exclude_older_than_and_exclude() {
    let mut rig = Rig::new("exclude: ['DIR/no*']\nexclude_older_than: 1h");
    rig.write("yes.log", "yes\n").write("no.log", "no\n").write("old.log", "old\n");
    let old = std::time::SystemTime::now() - Duration::from_hours(2);
    std::fs::File::options().append(true).open(rig.path("old.log")).unwrap().set_modified(old).unwrap();
    assert_eq!(rig.poll().lines(), ["yes"]);
    rig.append("old.log", "young again\n");
    assert_eq!(rig.poll().lines(), ["old", "young again"]);
}

#[test]
fn max_log_size_splits_or_truncates() {
    let text = format!("{}\nshort\n{}", "a".repeat(25), "b".repeat(31));
    let mut rig = Rig::new("max_log_size: 10");
    rig.write("a.log", &text);
    let want = ["a".repeat(10), "a".repeat(10), "a".repeat(5), "short".into()];
    let got = rig.poll().lines();
    assert_eq!(got[..4], want);
    assert_eq!(got[4..], vec!["b".repeat(10); 3]);
    assert_eq!(rig.pass(Duration::from_secs(1)).poll().poll().lines(), ["b"]);

    let mut rig = Rig::new("max_log_size: 10\nmax_log_size_behavior: truncate");
    rig.write("a.log", &text);
    assert_eq!(rig.poll().lines(), ["a".repeat(10), "short".into(), "b".repeat(10)]);
    rig.append("a.log", "bbbb\nnext\n");
    assert_eq!(rig.poll().lines(), ["next"]);
    assert_eq!(rig.counter("otelcol_fileconsumer_truncated_bytes"), 15 + 21 + 4);
}

#[test]
fn a_line_longer_than_a_window_is_one_record() {
    let mut rig = Rig::new("max_log_size: 4MiB");
    let long = "é".repeat(900_000);
    rig.write("a.log", format!("before\n{long}\nafter\n"));
    let got = rig.poll().lines();
    assert_eq!(got.len(), 3);
    assert!(got[1] == long, "{} bytes", got[1].len());
}

#[test]
fn a_character_cut_by_the_end_of_the_file_is_whole_when_the_rest_comes() {
    let mut rig = Rig::new("");
    let text = "grün €\n".as_bytes();
    for cut in 1..text.len() {
        rig.write("a.log", "").poll();
        rig.append("a.log", &text[..cut]).poll().append("a.log", &text[cut..]);
        assert_eq!(rig.poll().lines(), ["grün €"], "cut at {cut}");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let mut rig = Rig::new("");
    rig.write("a.log", b"a\xffb\nnul\0nul\n\xe2\x82\n");
    assert_eq!(rig.poll().lines(), ["a\u{fffd}b", "nul\0nul", "\u{fffd}"]);
    let mut rig = Rig::new("encoding: nop");
    rig.write("a.log", b"a\xff\nb\n");
    assert_eq!(rig.poll().lines(), ["Some(Bytes([97, 255, 10, 98, 10]))"]);
}

#[test]
fn utf_16_and_other_charsets() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut rig = Rig::new("encoding: utf-16le");
    rig.write("a.log", wide("eins\r\nzwei €\nUਊ\ndr"));
    assert_eq!(rig.poll().lines(), ["eins", "zwei €", "Uਊ"]);
    rig.append("a.log", wide("ei\n"));
    assert_eq!(rig.poll().lines(), ["drei"]);
    let mut rig = Rig::new("encoding: gbk");
    rig.write("a.log", b"\xc4\xe3\xba\xc3\n");
    assert_eq!(rig.poll().lines(), ["你好"]);
}

#[test]
fn multiline_records() {
    let mut rig = Rig::new("multiline: {line_start_pattern: '^LOG'}");
    rig.write("a.log", "junk\nLOG 1\n at x\nLOG 2\n");
    assert_eq!(rig.poll().lines(), ["junk", "LOG 1\n at x"]);
    rig.append("a.log", " at y\n").poll();
    assert_eq!(rig.pass(Duration::from_secs(1)).poll().poll().lines(), ["LOG 2\n at y"]);
    let mut rig = Rig::new("multiline: {line_end_pattern: ';', omit_pattern: true}");
    rig.write("a.log", "a\nb;c;d");
    assert_eq!(rig.poll().lines(), ["a\nb", "c"]);
}

#[test]
fn attributes_of_the_file_and_its_records() {
    let mut rig = Rig::new(
        "include_file_path: true\ninclude_file_record_number: true\ninclude_file_record_offset: true\n\
         include_file_permissions: true\nattributes: {a: x}\nresource: {b: y}",
    );
    rig.write("a.log", "one\n\ntwo\n");
    let batches = rig.poll().take();
    let resource = &batches[0].resource.as_ref().unwrap().attributes;
    assert_eq!((resource[0].key.as_str(), resource[0].value.as_str()), ("b", Some("y")));
    let record = &batches[0].scope_logs[0].log_records[1];
    let get = |key: &str| attribute(record, key);
    assert_eq!(get("log.file.name").as_deref(), Some("a.log"));
    assert_eq!(get("log.file.path").as_deref(), rig.path("a.log").to_str());
    assert_eq!(get("log.file.record_number").as_deref(), Some("Int(2)"));
    assert_eq!(get("log.file.record_offset").as_deref(), Some("Int(5)"));
    assert_eq!(get("log.file.permissions").unwrap().len(), 3);
    assert_eq!(get("a").as_deref(), Some("x"));
    assert!(record.observed_time_unix_nano > 0 && record.time_unix_nano == 0);
    rig.append("a.log", "three\n").restart(true);
    assert_eq!(attribute(&rig.poll().records()[0], "log.file.record_number").as_deref(), Some("Int(3)"));
}

#[test]
fn compressed_files() {
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let mut rig = Rig::new("include: ['DIR/*']\ncompression: auto");
    rig.write("a.gz", gzip(&lines(0..1000))).write("b.log", "plain\n");
    let mut got = rig.poll().lines();
    assert_eq!(got.pop().as_deref(), Some("plain"));
    assert_eq!(got, numbered(0..1000));
    assert!(rig.poll().lines().is_empty());
    rig.restart(true);
    assert!(rig.poll().lines().is_empty());
    rig.append("a.gz", gzip(&lines(1000..1010)));
    assert_eq!(rig.poll().lines(), numbered(1000..1010));
}

#[test]
fn files_are_deleted_after_they_were_acknowledged() {
    let mut rig = Rig::new("delete_after_read: true");
    rig.backend = super::rig::Backend::Silent;
    rig.write("a.log", lines(0..5)).poll();
    assert!(rig.poll().path("a.log").exists());
    rig.backend = super::rig::Backend::Delivers;
    rig.answer();
    rig.poll();
    assert!(!rig.path("a.log").exists());
    assert_eq!(rig.lines(), numbered(0..5));
}

#[test]
fn locked_files_wait() {
    let mut rig = Rig::new("acquire_fs_lock: true");
    rig.write("a.log", lines(0..5));
    let other = std::fs::File::open(rig.path("a.log")).unwrap();
    other.lock().unwrap();
    assert!(rig.poll().lines().is_empty());
    other.unlock().unwrap();
    assert_eq!(rig.poll().lines(), numbered(0..5));
    assert!(other.try_lock().is_ok(), "it is not kept locked");
}

#[test]
fn ordering_criteria_read_the_first_files() {
    let mut rig = Rig::new(
        "ordering_criteria: {regex: '(?P<app>[a-z]+)-(?P<n>\\d+).log', group_by: '/([a-z]+)-', top_n: 1,\n\
         sort_by: [{sort_type: numeric, regex_key: n}]}",
    );
    for (app, n) in [("a", 9), ("a", 10), ("b", 1), ("b", 2)] {
        rig.write(&format!("{app}-{n}.log"), format!("{app} {n}\n"));
    }
    rig.write("other.log", "no\n");
    let mut got = rig.poll().lines();
    got.sort();
    assert_eq!(got, ["a 10", "b 2"]);
}

#[test]
fn on_truncate_decides_what_is_read() {
    for (yaml, want) in [("ignore", vec!["c"]), ("read_new", vec!["c"]), ("read_whole_file", vec!["b", "c"])]
    {
        let mut rig = Rig::new(&format!("on_truncate: {yaml}"));
        rig.write("a.log", "aaaaaaaaaaaaaaaaaaaa\n").poll();
        rig.lines();
        rig.write("a.log", "b\n").poll();
        let padding = if yaml == "ignore" { " \n".repeat(20)[..19].to_owned() } else { String::new() };
        rig.append("a.log", padding).poll();
        rig.append("a.log", "c\n").poll();
        assert_eq!(rig.lines(), want, "{yaml}");
    }
}

#[test]
fn contrib_46002_a_large_backlog_does_not_starve_small_files() {
    let mut rig = Rig::new("");
    rig.write("0-large.log", "x\n".repeat(2_000_000));
    for n in 0..50 {
        rig.write(&format!("{n}-small.log"), format!("small {n}\n"));
    }
    rig.scan();
    for _ in 0..51 {
        rig.turn();
    }
    let small = rig.lines().iter().filter(|line| line.starts_with("small")).count();
    assert_eq!(small, 50, "every file had its turn");
}

#[test]
fn real_container_logs_arrive_whole() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/k8s-logs/pods");
    let mut rig = Rig::new(&format!(
        "include: ['{}/*/*/*.log']\noperators: [{{type: container}}]\ninclude_file_path: true",
        fixtures.display()
    ));
    let batches =
        rig.poll().pass(Duration::from_secs(6)).poll().poll().pass(Duration::from_secs(6)).poll().take();
    let records = |pod: &str| -> Vec<_> {
        batches
            .iter()
            .filter(|batch| {
                let attributes = &batch.resource.as_ref().unwrap().attributes;
                attributes.iter().any(|a| a.key == "k8s.pod.name" && a.value.as_str() == Some(pod))
            })
            .flat_map(|batch| &batch.scope_logs)
            .flat_map(|scope| &scope.log_records)
            .collect()
    };
    assert!(batches.iter().all(|batch| batch.resource.as_ref().unwrap().attributes.len() == 5));
    // Lines of up to 40,000 bytes, cut by the runtime at 16,384, also within a character.
    let long = records("long-lines");
    assert!(long.iter().any(|record| body(record).len() > 39_000));
    assert!(long.iter().all(|record| !body(record).contains('\u{fffd}')), "joined before it is decoded");
    assert!(long.iter().all(|record| attribute(record, "logtag").as_deref() == Some("F")));
    // Empty lines, NUL, bytes that are not UTF-8, a last line without its end.
    let edge = records("edge-cases");
    assert!(edge.iter().any(|record| body(record).is_empty()));
    assert!(edge.iter().any(|record| body(record).contains('\0')));
    assert!(edge.iter().any(|record| body(record).contains('\u{fffd}')));
    assert!(edge.iter().all(|record| record.time_unix_nano > 0));
    // As many records as lines that end, plus those that never do.
    let files = walk(&fixtures);
    let ended: usize = files.iter().map(|text| text.iter().filter(|line| line.contains(" F")).count()).sum();
    let total: usize = batches.iter().flat_map(|b| &b.scope_logs).map(|s| s.log_records.len()).sum();
    assert!((ended..ended + 5).contains(&total), "{total} records of {ended} ended lines");
}

/// The lines of all fixture files, each as its time, stream and tag.
fn walk(pods: &std::path::Path) -> Vec<Vec<String>> {
    let mut files = Vec::new();
    for pod in std::fs::read_dir(pods).unwrap().flatten() {
        for container in std::fs::read_dir(pod.path()).unwrap().flatten() {
            for file in std::fs::read_dir(container.path()).unwrap().flatten() {
                if file.path().extension().is_some_and(|extension| extension == "log") {
                    let bytes = std::fs::read(file.path()).unwrap();
                    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                    let head = |line: &[u8]| {
                        String::from_utf8_lossy(line)
                            .split(' ')
                            .take(3)
                            .map(|part| format!(" {part}"))
                            .collect()
                    };
                    files.push(lines.map(head).collect());
                }
            }
        }
    }
    files
}
